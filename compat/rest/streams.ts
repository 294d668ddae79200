/**
 * Two minutes of streams: one connection that sends records all the time and reads their reports, and readers of events, of which one is slow. Nothing is
 * lost or doubled, reports and events come in order, and the proxy does not grow. `COMPAT_STREAM_SECONDS` makes it shorter or longer.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cases, runCases, unique, until } from '../support/kit.ts'

const [base = '', , pid = ''] = process.argv.slice(2)
const seconds = Number(process.env['COMPAT_STREAM_SECONDS'] ?? 120)
const everyMs = 20
/** Of one sending, each with 1 KiB. */
const together = 10
const mostGrowthBytes = 200 * 2 ** 20

const residentBytes = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024

async function topicPath(): Promise<string> {
  const { data } = (await (await fetch(`${base}/v3/clusters`)).json()) as { data: { cluster_id: string }[] }
  const topics = `${base}/v3/clusters/${data[0]!.cluster_id}/topics`
  const name = unique('stream')
  const body = JSON.stringify({ topic_name: name, partitions_count: 1 })
  assert.equal((await fetch(topics, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status, 201)
  return `${topics}/${name}/records`
}

/** Numbers of the records that come; with `pauseMs` it reads one piece and then waits. */
class Reader {
  readonly numbers: number[] = []
  readonly #request

  constructor(path: string, pauseMs: number) {
    this.#request = request(`${path}?value_format=JSON`, { headers: { accept: 'text/event-stream' } })
    this.#request.on('error', () => {})
    this.#request.end()
    once(this.#request, 'response')
      .then(([response]) => this.#read(response as IncomingMessage, pauseMs))
      .catch(() => {})
  }

  async #read(response: IncomingMessage, pauseMs: number): Promise<void> {
    let text = ''
    for await (const piece of response) {
      text += piece
      const events = text.split('\n\n')
      text = events.pop()!
      for (const each of events) {
        const [, data] = /^event: record\ndata: (.*)$/.exec(each) ?? []
        if (data !== undefined) this.numbers.push(JSON.parse(data).value.data.n)
      }
      if (pauseMs > 0) await sleep(pauseMs)
    }
  }

  close(): void {
    this.#request.destroy()
  }
}

const cases: Cases = {
  async 'sent-and-read'() {
    const path = await topicPath()
    const [fast, slow] = [new Reader(path, 0), new Reader(path, 50)]
    const sending = request(path, { method: 'POST', headers: { 'content-type': 'application/json' } })
    const reports: { error_code: number; offset: number }[] = []
    once(sending, 'response')
      .then(async ([response]) => {
        let text = ''
        for await (const piece of response as IncomingMessage) {
          text += piece
          const lines = text.split('\r\n')
          text = lines.pop()!
          for (const each of lines) if (each !== '') reports.push(JSON.parse(each))
        }
      })
      .catch(() => {})
    const before = residentBytes()
    let mostBytes = before
    let sent = 0
    const padding = 'x'.repeat(1_000)
    const end = performance.now() + seconds * 1_000
    while (performance.now() < end) {
      let text = ''
      for (let at = 0; at < together; at++) text += `{"value":{"type":"JSON","data":{"n":${sent++},"padding":"${padding}"}}}`
      if (!sending.write(text)) await once(sending, 'drain')
      await sleep(everyMs)
      if (sent % 1_000 === 0) mostBytes = Math.max(mostBytes, residentBytes())
    }
    sending.end()
    await until(
      () => `${sent} reports, only ${reports.length}`,
      () => reports.length === sent,
      60,
    )
    assert.ok(reports.every((each, index) => each.error_code === 200 && each.offset === index))
    const isComplete = ({ numbers }: Reader) => numbers.length >= sent
    await until(
      () => `${sent} records, only ${fast.numbers.length}`,
      () => isComplete(fast),
      60,
    )
    assert.ok(fast.numbers.every((each, index) => each === index))
    // The slow one has what it has read, without a gap.
    assert.ok(slow.numbers.length > 0 && slow.numbers.every((each, index) => each === index))
    fast.close()
    slow.close()
    assert.ok(mostBytes - before < mostGrowthBytes, `the proxy grew by ${Math.round((mostBytes - before) / 2 ** 20)} MiB`)
  },
  async 'readers-who-stop-reading'() {
    const path = await topicPath()
    const padding = 'x'.repeat(1_000)
    const body = Array.from({ length: 20_000 }, (_, n) => `{"value":{"type":"JSON","data":{"n":${n},"padding":"${padding}"}}}`).join('')
    const sent = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    assert.equal((await sent.text()).split('\r\n').filter(each => each !== '').length, 20_000)
    const before = residentBytes()
    const deaf = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const reading = request(`${path}?value_format=JSON`, { headers: { accept: 'text/event-stream' } })
        reading.on('error', () => {}).end()
        const [response] = (await once(reading, 'response')) as [IncomingMessage]
        response.pause()
        return reading
      }),
    )
    await sleep(5_000)
    const grown = residentBytes() - before
    const one = new Reader(path, 0)
    await until(
      () => `20000 records, only ${one.numbers.length}`,
      () => one.numbers.length === 20_000,
      60,
    )
    one.close()
    for (const each of deaf) each.destroy()
    assert.ok(grown < mostGrowthBytes, `the proxy grew by ${Math.round(grown / 2 ** 20)} MiB`)
  },
}

await runCases(cases, seconds + 200)
