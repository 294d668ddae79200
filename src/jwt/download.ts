/** One answer of an issuer, of bounded size, within a bounded time, and without redirects. */
import type { System } from '../base.ts'

export interface Downloaded {
  readonly status: number
  readonly text: string
}

const mostBytes = 1024 * 1024
const timeoutMs = 10_000

/** Throws Error if there is no answer. */
export async function download(url: string | URL, timers: System['timers'], init: RequestInit = {}): Promise<Downloaded> {
  const abort = new AbortController()
  const timer = timers.after(timeoutMs, () => abort.abort(new Error(`no response within ${timeoutMs} ms`)))
  try {
    const headers = { accept: 'application/json', ...(init.headers as Record<string, string> | undefined) }
    const response = await fetch(url, { ...init, headers, redirect: 'error', signal: abort.signal })
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      if (bytes > mostBytes) throw new Error(`more than ${mostBytes} bytes`)
      chunks.push(chunk)
    }
    return { status: response.status, text: Buffer.concat(chunks).toString('utf8') }
  } finally {
    timer.cancel()
  }
}
