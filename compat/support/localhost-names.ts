/** To be imported first: names below `localhost` are this machine, as RFC 6761 wants it and not every C library does. */
import dns from 'node:dns'

const { lookup } = dns
dns.lookup = ((name: string, ...rest: [never, never]) =>
  lookup(name.endsWith('.localhost') ? 'localhost' : name, ...rest)) as typeof dns.lookup
