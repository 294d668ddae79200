/** For the small servers of tests. */
import type { IncomingMessage } from 'node:http'

export async function requestBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}
