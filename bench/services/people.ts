/** Fifty people who have the console open: each looks at the overview and at lists again and again, and follows a topic live. */
import { setTimeout as sleep } from 'node:timers/promises'
import { costOf, quantile } from '../measure.ts'
import { free, least, megabyte, type RowOf, shown } from '../row.ts'
import { Stand } from './stand.ts'

const people = 50
const ms = 15_000
const looksMs = 1_000
const sendsMs = 250
const looksAt = ['/session', '/overview', '/topics?limit=100', '/groups', '/history']

export const peopleRow: RowOf<Stand> = {
  name: 'console-people',
  settings: `${people} people at once: each asks for ${looksAt.length} things at the same time, and again a second after the answers, and follows a topic live that gets a record every ${sendsMs} ms`,
  alone: 'Apache Kafka has no console',
  goals: [
    shown('answers', 'answers', '/s', 'nothing'),
    shown('p50', 'an answer, p50', 'ms', 'nothing'),
    free('p99', 'an answer, p99', 1_000, 'ms'),
    free('failed', 'failed requests', 0),
    least('live', 'share of the records that followers have seen', 1, ''),
    free('liveP99', 'a record is seen live after, p99', 2_000, 'ms'),
    shown('cores', 'processor time of the services in a second', 's', 'nothing'),
    shown('megabytes', 'memory of the services', 'MB', 'nothing'),
  ],
  cold: 'each round has a broker of its own, so that followers begin with nothing',
  start: wanted => Stand.start(wanted, ['console']),
  async measure({ broker, scale }) {
    const { result, cost } = await costOf(broker.pid, () => look(broker, ms * scale))
    return { ...result, cores: cost.cpuSeconds / ((ms * scale) / 1_000), megabytes: cost.rssBytes / megabyte }
  },
}

async function look({ client, urls }: Stand, forMs: number) {
  await client.createTopic({ name: 'followed', partitions: 3 })
  const stop = new AbortController()
  const [times, delays]: [number[], number[]] = [[], []]
  let failed = 0
  const ask = async (path: string) => {
    const began = performance.now()
    const answer = await fetch(`${urls.console}/api${path}`)
    await answer.arrayBuffer()
    times.push(performance.now() - began)
    if (!answer.ok) failed++
  }
  const asking = async () => {
    while (!stop.signal.aborted) {
      await Promise.all(looksAt.map(ask))
      await sleep(looksMs)
    }
  }
  const following = Array.from({ length: people }, () =>
    follow(`${urls.console}/api/topics/followed/messages?live=true`, delays, stop.signal),
  )
  const begun = await Promise.all(following)
  const asked = Array.from({ length: people }, asking)
  let sent = 0
  for (const end = performance.now() + forMs; performance.now() < end; sent++) {
    await client.send('followed', [{ key: null, value: Buffer.from(String(performance.now())) }])
    await sleep(sendsMs)
  }
  // The newest is on its way.
  await sleep(looksMs)
  stop.abort()
  await Promise.all([...asked, ...begun.map(each => each.ended)])
  for (const all of [times, delays]) all.sort((a, b) => a - b)
  return {
    answers: times.length / (forMs / 1_000),
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    failed,
    live: delays.length / (sent * people),
    liveP99: quantile(delays, 0.99),
  }
}

/** Resolves when the stream is open. */
async function follow(url: string, delays: number[], signal: AbortSignal): Promise<{ ended: Promise<void> }> {
  const answer = await fetch(url, { signal })
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  const read = async () => {
    try {
      for await (const text of answer.body!.pipeThrough(new TextDecoderStream()))
        for (const [, value] of text.matchAll(/"text":"([\d.]+)"/g)) delays.push(performance.now() - Number(value))
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
  return { ended: read() }
}
