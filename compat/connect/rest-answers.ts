/**
 * The same calls to Kafka Connect's worker and to ours, over the same brokers: `node compat/connect/rest-answers.ts HOST:PORT CLASSPATH`. Status, body and the
 * headers that clients read must be equal, but for what {@link allowed} lists.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cases, runCases, unique, until } from '../support/kit.ts'
import { allowed } from './rest-allowed.ts'
import { type Call, calls } from './rest-calls.ts'
import { distributed, type Status, Worker } from './worker.ts'

const [bootstrap, classPath] = process.argv.slice(2) as [string, string]
const directory = mkdtempSync(join(tmpdir(), 'millrace-rest-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const shows = process.env['COMPAT_REST_DIFFERENCES']

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

const steadyMs = 1_500

/** One worker with its own files and topic, so that they do not meet. */
class Side {
  readonly name: string
  readonly worker: Worker
  readonly #directory: string
  readonly #topic: string
  /** Was asked for last: until the worker says that it restarts, it says how it was before. */
  #isRestarting = false

  constructor(name: string, worker: Worker) {
    this.name = name
    this.worker = worker
    this.#directory = join(directory, `files-${name}`)
    this.#topic = unique('rest')
    mkdirSync(this.#directory)
    for (const file of ['in', 'halted', 'still', 'odd']) appendFileSync(join(this.#directory, file), 'one\ntwo\n')
  }

  async ask({ method, path, body, raw, headers = {}, once }: Call): Promise<Answer> {
    if (once !== undefined) await this.#settled(...once, this.#isRestarting ? steadyMs : 0)
    this.#isRestarting = path.includes('/restart')
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(`http://${this.worker.id}${path}`, {
        method,
        headers,
        ...(text === undefined ? {} : { body: this.#mine(text) }),
      })
      const answer = { status: response.status, headers: headersOf(response, this.worker.id), body: this.#plain(await response.text()) }
      // Until the group has settled.
      const again = response.status === 409 && !JSON.stringify(answer.body).includes('already exists')
      if (!again || attempt === 40) return answer
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }

  /** What never becomes so is a difference. */
  async #settled(connector: string, wanted: string, forMs: number): Promise<void> {
    let found = ''
    let sinceMs = performance.now()
    await until(
      () => `${this.name}: ${connector} is ${wanted}, it is ${found}`,
      async () => {
        const response = await fetch(`http://${this.worker.id}/connectors/${encodeURIComponent(connector)}/status`)
        // Names that it cannot have in a path.
        if (response.status === 400) return true
        if (response.status === 404) return (found = '-') === wanted
        const status = (await response.json()) as Status
        if (status.connector === undefined) return false
        found = `${status.connector.state}/${status.tasks.map(({ state }) => state).join()}`
        if (found !== wanted) sinceMs = performance.now()
        return found === wanted && performance.now() - sinceMs >= forMs
      },
      20,
    )
  }

  #mine(text: string): string {
    return text.replaceAll('$DIR', this.#directory).replaceAll('$TOPIC', this.#topic)
  }

  #plain(text: string): unknown {
    const same = text
      .replaceAll(this.#directory, '$DIR')
      .replaceAll(this.#topic, '$TOPIC')
      .replaceAll(this.worker.id, '$WORKER')
      .replaceAll(/"last_modified":\d+/g, '"last_modified":0')
      .replaceAll(/"trace":"[^"]*"/g, '"trace":"$TRACE"')
      // Of the plugin, which is another one.
      .replaceAll(/"version":"[^"]*"/g, '"version":"$VERSION"')
      .replaceAll(/"commit":"[^"]*"/g, '"commit":"$COMMIT"')
    try {
      return JSON.parse(same)
    } catch {
      return same
    }
  }
}

function headersOf(response: Response, id: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of ['content-type', 'location', 'allow']) {
    const value = response.headers.get(name)
    if (value !== null)
      found[name] = value
        .replaceAll(id, '$WORKER')
        .toLowerCase()
        .replace(/;\s*charset=utf-8$/, '')
  }
  if (found['allow'] !== undefined)
    found['allow'] = found['allow']
      .split(/,\s*/)
      .filter(each => !/head|options/.test(each))
      .sort()
      .join(',')
  return found
}

/** By path within the answer. */
function* differences(theirs: unknown, ours: unknown, at: string): Generator<string> {
  if (
    typeof theirs === 'object' &&
    theirs !== null &&
    typeof ours === 'object' &&
    ours !== null &&
    Array.isArray(theirs) === Array.isArray(ours)
  ) {
    const [a, b] = [byName(theirs), byName(ours)]
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) yield* differences(a[key], b[key], `${at}.${key}`)
  } else if (JSON.stringify(theirs) !== JSON.stringify(ours)) yield `${at}: ${shortened(theirs)} | ${shortened(ours)}`
}

/** Lists of keys of configurations are compared by the names of the keys. */
function byName(value: object): Record<string, unknown> {
  if (!Array.isArray(value)) return value as Record<string, unknown>
  return Object.fromEntries(value.map((each, index) => [nameIn(each) ?? String(index), each]))
}

function nameIn(entry: unknown): string | undefined {
  const { name, value, definition } = (entry ?? {}) as { name?: string; value?: { name?: string }; definition?: { name?: string } }
  return definition?.name ?? value?.name ?? (typeof name === 'string' ? name : undefined)
}

const shortened = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 300)

const cases: Cases = {
  async 'rest-answers'() {
    const config = (name: string) => distributed(unique(`rest-${name}`), { 'bootstrap.servers': bootstrap })
    const [java, ours] = await Promise.all([
      Worker.start(classPath, directory, 'java', config('java')),
      Worker.startMillrace(directory, 'ours', config('ours')),
    ])
    const found: string[] = []
    try {
      const [theirs, mine] = [new Side('java', java), new Side('ours', ours)]
      for (const call of calls) {
        const [a, b] = await Promise.all([theirs.ask(call), mine.ask(call)])
        const what = `${call.method} ${call.path} ${shortened(call.raw ?? call.body ?? '').slice(0, 160)}`
        for (const difference of differences(a, b, ''))
          if (!allowed.some(each => each.call.test(what) && each.difference.test(difference))) found.push(`${what}\n    ${difference}`)
      }
    } finally {
      await Promise.all([java.stop(), ours.stop()])
    }
    if (shows !== undefined) appendFileSync(shows, found.join('\n'))
    console.log(`${calls.length} calls, ${found.length} differences`)
    if (found.length > 0) throw new Error(`${found.length} differences: ${found.join(' ;; ')}`)
  },
}

await runCases(cases, 300)
