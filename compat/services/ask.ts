/** Requests to the services, and command lines. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { compile } from '../support/brokers.ts'
import { repository } from '../support/cache.ts'
import { run } from '../support/run.ts'

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: each case says what it expects
  readonly body: any
}

export type Headers = Record<string, string>

export async function ask(method: string, url: string, body?: unknown, headers: Headers = {}): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: /json/.test(response.headers.get('content-type') ?? '') && text !== '' ? parsed(text) : text }
}

/** Of a stream of reports the first. */
function parsed(text: string): unknown {
  return JSON.parse(text.includes('\r\n') ? text.split('\r\n')[0]! : text)
}

export async function ok(method: string, url: string, body?: unknown, headers: Headers = {}): Promise<Answer['body']> {
  const answer = await ask(method, url, body, headers)
  assert.ok(answer.status < 300, `${method} ${url}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`)
  return answer.body
}

/** `/v3/clusters/…` of a REST proxy. */
export async function clusterAt(rest: string, headers: Headers = {}): Promise<string> {
  return `${rest}/v3/clusters/${(await ok('GET', `${rest}/v3/clusters`, undefined, headers)).data[0].cluster_id}`
}

export function basic({ name, password }: { name: string; password: string }): Headers {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` }
}

/** What a command of ours prints; it has to succeed. */
export async function millrace(
  args: readonly string[],
  { env = {}, stdin = '' }: { env?: Record<string, string>; stdin?: string } = {},
): Promise<string> {
  await compile()
  const { code, stdout, stderr } = await run(process.execPath, [join(repository, 'dist/cli.js'), ...args], { env, stdin, seconds: 100 })
  assert.equal(code, 0, `millrace ${args.join(' ')}: ${stderr || stdout}`)
  return stdout
}
