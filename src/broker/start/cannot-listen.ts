/** The broker cannot listen on an address. `key` is the configuration key that contains the address. */
export class CannotListen extends Error {
  readonly key: 'listeners' | 'http.listen'

  constructor(key: CannotListen['key'], { host, port }: { host: string; port: number }, cause: NodeJS.ErrnoException) {
    const address = `${host.includes(':') ? `[${host}]` : host || '*'}:${port}`
    super(`cannot listen on ${address} (${key}): ${reasons[cause.code ?? ''] ?? cause.message}`, { cause })
    this.name = 'CannotListen'
    this.key = key
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process uses this address',
  EACCES: 'this user may not use this port',
  EADDRNOTAVAIL: 'no network interface of this machine has this address',
  ENOTFOUND: 'this host name cannot be resolved',
}
