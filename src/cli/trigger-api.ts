/** The API of the triggers service, as the command line uses it. */
import { parseLossless, realSystem, stringifyLossless } from '../base.ts'
import { CommandFailed, UsageError } from './output.ts'
import type { TriggersFlags } from './program-trigger.ts'
import { askSecret } from './secret.ts'

export class TriggerApi {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #ca: Buffer | null

  private constructor(base: string, headers: Readonly<Record<string, string>>, ca: Buffer | null) {
    this.#base = base
    this.#headers = headers
    this.#ca = ca
  }

  static async open({ triggers, ca }: TriggersFlags): Promise<TriggerApi> {
    const url = URL.parse(triggers)
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new UsageError(`--triggers: "${triggers}" is no address such as http://127.0.0.1:8084`)
    const certificates = ca === undefined || ca === '' ? null : realSystem().files.readFile(ca)
    if (ca !== undefined && ca !== '' && certificates === null) throw new UsageError(`--ca: file not found: ${ca}`)
    const user = decodeURIComponent(url.username)
    const password = user === '' ? '' : decodeURIComponent(url.password) || (await passwordOf(user))
    url.username = url.password = ''
    const headers = user === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
    return new TriggerApi(url.href.replace(/\/$/, ''), headers, certificates)
  }

  /** The parsed answer; null: it has none. Throws CommandFailed with what the service says. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = body === undefined ? null : stringifyLossless(body)
    const { status, answer } = await this.#send(method, path, text)
    const parsed = answer === '' ? null : parsedIn(answer)
    if (status >= 200 && status < 300) return parsed as T
    const { detail } = (parsed ?? {}) as { detail?: string }
    throw new CommandFailed(detail ?? `${this.#base} has answered HTTP ${status}`)
  }

  async #send(method: string, path: string, text: string | null): Promise<{ status: number; answer: string }> {
    const { request } = this.#base.startsWith('https:') ? await import('node:https') : await import('node:http')
    return new Promise((resolve, reject) => {
      const options = {
        method,
        headers: {
          ...this.#headers,
          ...(text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
        ...(this.#ca === null ? {} : { ca: this.#ca }),
      }
      const sent = request(`${this.#base}${path}`, options, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => void chunks.push(chunk))
        response.on('end', () => resolve({ status: response.statusCode!, answer: Buffer.concat(chunks).toString() }))
        response.on('error', reject)
      })
      sent.on('error', error =>
        reject(
          new CommandFailed(
            `${this.#base} does not answer: ${error.message}. Is the service triggers running? (--triggers or MILLRACE_TRIGGERS)`,
          ),
        ),
      )
      sent.end(text ?? undefined)
    })
  }
}

function parsedIn(answer: string): unknown {
  try {
    return parseLossless(answer)
  } catch {
    return null
  }
}

async function passwordOf(user: string): Promise<string> {
  const password = process.env['MILLRACE_PASSWORD'] ?? (await askSecret(`Password for ${user}: `))
  if (password === null) throw new CommandFailed(`no password for ${user}: set MILLRACE_PASSWORD`)
  return password
}
