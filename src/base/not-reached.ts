/** Whether a request has got nowhere: no connection was made, so that sending it again does nothing twice. */
const codes: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

export function notReached(error: unknown): boolean {
  return codes.has((error as NodeJS.ErrnoException).code ?? '')
}
