interface Ports {
  /** Resolves with a free port of 127.0.0.1, for a program that takes its port as an argument. */
  freePort (): Promise<number>
  /** Whether a server listens on a port of 127.0.0.1. */
  isListening (port: number): Promise<boolean>
}

export const { freePort, isListening }: Ports = require('../../bench/ports')
