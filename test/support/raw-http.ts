/** Requests whose path is sent as it is written, which `fetch` does not do: it takes segments such as `%2e` out. */
import { request } from 'node:http'

/** `base`: such as `http://127.0.0.1:8080`. */
export function askRaw(base: string, method: string, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(base, { method, path }, async response => {
      let text = ''
      for await (const part of response.setEncoding('utf8')) text += part
      resolve({ status: response.statusCode!, text })
    })
    sent.on('error', reject)
    sent.end()
  })
}
