import t from 'tap'
import { readSchemes, securityOf } from '../../lib/asyncapi/security'

const schemes = {
  token: { type: 'http', scheme: 'bearer' },
  session: { type: 'httpApiKey', in: 'cookie', name: 'session' },
  login: { type: 'oauth2', flows: {} }
}

t.test('the security of OpenAPI becomes a list of references', async (t) => {
  t.same(securityOf([{ token: [] }, { session: [] }], schemes, 'GET /'), [{ $ref: '#/components/securitySchemes/token' }, { $ref: '#/components/securitySchemes/session' }])
  t.equal(securityOf(undefined, schemes, 'GET /'), undefined)
  t.equal(securityOf([], schemes, 'GET /'), undefined, 'a route may be open to all')
  t.equal(securityOf([{}], schemes, 'GET /'), undefined)
})

t.test('scopes stand in the scheme', async (t) => {
  t.same(securityOf([{ login: ['read'] }, { token: ['read'] }], schemes, 'GET /'), [{ ...schemes.login, scopes: ['read'] }, { $ref: '#/components/securitySchemes/token' }])
})

t.test('what is no security, and a scheme that is nowhere, are errors', async (t) => {
  for (const security of ['token', ['token'], {}]) {
    t.throws(() => securityOf(security, schemes, 'GET /x'), { code: 'FST_WS_OPTION', message: /^GET \/x: security is .*: use a list such as \[\{ token: \[\] \}\]/ })
  }
  for (const name of ['tokn', 'constructor']) {
    t.throws(() => securityOf([{ [name]: [] }], schemes, 'GET /x'), { code: 'FST_WS_OPTION', message: `GET /x: security names the scheme '${name}': give it to asyncapi in components.securitySchemes` })
  }
})

t.test('schemes of OpenAPI get the form of AsyncAPI', async (t) => {
  t.same(readSchemes(), {})
  const { header, user, token, login, odd } = readSchemes({
    header: { type: 'apiKey', in: 'header', name: 'x-key' },
    user: { type: 'apiKey', in: 'user' },
    token: schemes.token,
    login: { type: 'oauth2', flows: { implicit: { authorizationUrl: 'https://example.com', scopes: { read: 'Reads' } }, password: { tokenUrl: 'https://example.com', availableScopes: {} } } },
    odd: { type: 'oauth2' }
  })
  t.same(header, { type: 'httpApiKey', in: 'header', name: 'x-key' })
  t.same(user, { type: 'apiKey', in: 'user' }, 'the user name of AsyncAPI')
  t.same(token, schemes.token)
  t.same(login.flows, { implicit: { authorizationUrl: 'https://example.com', availableScopes: { read: 'Reads' } }, password: { tokenUrl: 'https://example.com', availableScopes: {} } })
  t.same(odd, { type: 'oauth2' })
})
