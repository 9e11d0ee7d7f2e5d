interface Ports {
  /** A port of 127.0.0.1 that nobody listens on, for a program that is told where to. */
  freePort (): Promise<number>
  /** Whether somebody listens on a port of 127.0.0.1. */
  isListening (port: number): Promise<boolean>
}

export const { freePort, isListening }: Ports = require('../../bench/ports')
