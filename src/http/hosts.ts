/**
 * Which names a service answers to. A page on the web may let its own name point at this machine (DNS rebinding), and would then be allowed
 * to read responses; but the browser still sends that name.
 */

/** `host`: of the Host header, perhaps with a port. Addresses are allowed, because a page cannot rebind them. */
export function isAllowedHost(host: string, allowed: readonly string[]): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || /^\[[0-9a-f:.%]+\]$/.test(name) || /^\d{1,3}(\.\d{1,3}){3}$/.test(name))
    return true
  return allowed.some(each => each === '*' || each.toLowerCase() === name)
}
