# A conversation with Mojo::UserAgent, of Perl's Mojolicious.
use Mojo::Base -strict, -signatures;
use Mojo::JSON qw(decode_json encode_json true false);
use Mojo::Promise;
use Mojo::UserAgent;
use Mojo::WebSocket qw(WS_PING WS_PONG);

my ($url, $input) = @ARGV;
my ($text, $binary, $repeated, $count, $close) = @{decode_json $input}{qw(text binary repeated count close)};
my $large = $repeated x $count;

my $ua = Mojo::UserAgent->new;
my $offer = {'Sec-WebSocket-Extensions' => 'permessage-deflate'};
my %result;

# Sends $message and resolves with the argument of $event: a message as received.
sub exchange ($tx, $message, $event) {
  my $promise = Mojo::Promise->new;
  $tx->once($event => sub ($tx, $received) { $promise->resolve($received) });
  $tx->once(finish => sub { $promise->reject('the connection has ended') });
  $tx->send($message);
  return $promise;
}

sub finished ($tx) {
  my $promise = Mojo::Promise->new;
  $tx->once(finish => sub ($tx, $code, $reason) { $promise->resolve([$code, $reason]) });
  return $promise;
}

$ua->websocket_p("$url/echo", $offer, ['other', 'echo.v1'])->then(sub ($tx) {
  $tx->max_websocket_size(2**20);
  $result{protocol} = $tx->protocol;
  return exchange($tx, $text, 'message')->then(sub ($received) {
    $result{echoes}{text} = $received;
    return exchange($tx, {binary => pack('C*', @$binary)}, 'binary');
  })->then(sub ($received) {
    $result{echoes}{binary} = [unpack('C*', $received)];
    return exchange($tx, $large, 'message');
  })->then(sub ($received) {
    $result{echoes}{large} = $received eq $large ? true : false;
    return exchange($tx, [1, 0, 0, 0, WS_PING, 'are you there?'], 'frame');
  })->then(sub ($frame) {
    $result{pong} = $frame->[4] == WS_PONG && $frame->[5] eq 'are you there?' ? true : false;
    my $finished = finished($tx);
    $tx->finish(@$close);
    return $finished;
  });
})->then(sub ($closed) {
  $result{closed} = $closed;
  return $ua->websocket_p("$url/bye");
})->then(sub ($tx) {
  return finished($tx);
})->then(sub ($dismissed) {
  $result{dismissed} = $dismissed;
  say encode_json \%result;
})->catch(sub ($error) {
  die $error;
})->wait;
