/** An address that the broker was told to listen on and cannot, in words; `key` is the configuration key that names the address. */
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
  EACCES: 'this user is not allowed to use this port',
  EADDRNOTAVAIL: 'this machine does not have this address',
  ENOTFOUND: 'this host name cannot be resolved',
}
