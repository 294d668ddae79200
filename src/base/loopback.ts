/** Whether what is sent to a host, as a URL has it, stays on this machine: then nobody can read or change it on its way. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}
