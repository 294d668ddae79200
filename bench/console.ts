/**
 * `npm run bench -- console [lists] [people] [values] [search]`: the console at a size: 10,000 topics with 40,000 partitions, 50 people at once, values of
 * 100 MB, and a search of a million records. Broker, services and browser are processes of their own. Each figure stands for itself, with its goal.
 */
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { type Properties, startMillrace } from '../compat/support/brokers.ts'
import { Missing } from '../compat/support/cache.ts'
import { usingServices } from '../compat/support/services.ts'
import { type Client, openClient } from '../src/client.ts'
import { openBrowser } from '../test/console/browser.ts'

const topics = 10_000
const partitions = 4
const people = 50
const peopleMs = 15_000
const largeBytes = 100_000_000
const million = 1_000_000

interface Stand {
  readonly client: Client
  readonly base: string
  /** Of the services. */
  readonly pid: number
}

let missed = 0

/** `goal`: what it may be at most, or at least. */
function tell(what: string, value: number, unit: string, goal: { most?: number; least?: number } = {}): void {
  const isMissed = value > (goal.most ?? Number.POSITIVE_INFINITY) || value < (goal.least ?? 0)
  if (isMissed) missed++
  const said = goal.most !== undefined ? `, goal ≤ ${goal.most}` : goal.least !== undefined ? `, goal ≥ ${goal.least}` : ''
  console.log(`${isMissed ? '✗' : ' '} ${what}: ${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}${said}`)
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const began = performance.now()
  const value = await work()
  return { ms: performance.now() - began, value }
}

async function json<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

const parts: Readonly<Record<string, (stand: Stand) => Promise<void>>> = { lists, people: manyPeople, values, search }

/** The exit code. */
export async function benchConsole(names: readonly string[]): Promise<number> {
  const unknown = names.find(name => !Object.hasOwn(parts, name))
  if (unknown !== undefined) throw new Missing(`no part ${unknown}; there are: ${Object.keys(parts).join(', ')}`)
  for (const name of names.length === 0 ? Object.keys(parts) : names) {
    console.log(`\n${name}`)
    await withStand({ 'message.max.bytes': '104857600' }, parts[name]!)
    console.log(`  load ${loadavg()[0]!.toFixed(1)}`)
  }
  return missed === 0 ? 0 : 1
}

async function withStand(properties: Properties, work: (stand: Stand) => Promise<void>): Promise<void> {
  const broker = await startMillrace(properties)
  const { bootstrap } = broker
  const client = openClient({ bootstrap })
  try {
    await usingServices(bootstrap)(['console'], ({ urls, pid }) => work({ client, base: urls.console, pid }))
  } finally {
    await client.close()
    await broker.remove()
  }
}

async function lists({ client, base }: Stand): Promise<void> {
  const at = (n: number) => `topic-${String(n).padStart(5, '0')}`
  const made = await timed(async () => {
    const atOnce = 50
    for (let n = 0; n < topics; n += atOnce)
      await Promise.all(Array.from({ length: atOnce }, (_, more) => client.createTopic({ name: at(n + more), partitions })))
  })
  tell(`${topics} topics of ${partitions} partitions are made`, made.ms / 1_000, 's')
  const page = (query: string) => json<{ total: number; rows: { name: string }[] }>(`${base}/api/topics?limit=100&${query}`)
  tell('the first page, nothing known yet', (await timed(() => page(''))).ms, 'ms', { most: 1_000 })
  const queries = { 'a page': '', 'the last page': 'from=9900', 'a search': 'search=77', 'by size': 'sort=bytes&descending=true' }
  for (const [what, query] of Object.entries(queries)) {
    const times: number[] = []
    for (let round = 0; round < 20; round++) times.push((await timed(() => page(query))).ms)
    times.sort((a, b) => a - b)
    tell(`${what}, median`, times[10]!, 'ms', { most: 100 })
    tell(`${what}, slowest`, times[19]!, 'ms', { most: 1_000 })
  }
  const browser = await openBrowser()
  if (typeof browser === 'string') return console.log(`  ${browser}`)
  await inBrowser(browser, base, at)
  await browser.close()
}

async function inBrowser(browser: Browser, base: string, nameOf: (n: number) => string): Promise<void> {
  const page = await browser.newPage()
  const row = (name: string) => page.getByRole('link', { name, exact: true })
  const opened = await timed(async () => {
    await page.goto(`${base}/topics`)
    await row(nameOf(0)).waitFor()
  })
  const paint = await page.evaluate(`performance.getEntriesByName('first-contentful-paint')[0].startTime`)
  tell('first paint', paint as number, 'ms', { most: 500 })
  tell('the list is there', opened.ms, 'ms', { most: 1_000 })
  const typed = await timed(async () => {
    await page.getByLabel('Search topics').pressSequentially('09999')
    await row(nameOf(9_999)).waitFor()
  })
  tell('five keys of a search, and the result', typed.ms, 'ms', { most: 1_000 })
  await page.getByLabel('Search topics').fill('')
  await row(nameOf(0)).waitFor()
  const sorted = await timed(async () => {
    await page.getByRole('button', { name: 'Topic' }).click()
    await row(nameOf(9_999)).waitFor()
  })
  tell('sorted the other way', sorted.ms, 'ms', { most: 1_000 })
  const frames = await page.evaluate(`new Promise(resolve => {
    const scroller = document.querySelector('[role=table] > div')
    let [frames, began] = [0, performance.now()]
    const step = () => {
      scroller.scrollTop += 400
      frames++
      if (performance.now() - began < 2000) requestAnimationFrame(step)
      else resolve(frames / 2)
    }
    requestAnimationFrame(step)
  })`)
  tell('frames of scrolling', frames as number, '/s', { least: 50 })
  const view = await timed(async () => {
    await page.getByRole('link', { name: 'Groups', exact: true }).click()
    await page.getByText('There are no groups yet').waitFor()
  })
  tell('another view', view.ms, 'ms')
}

/** Each has the overview and a list open, and follows a topic live. */
async function manyPeople({ client, base }: Stand): Promise<void> {
  await client.createTopic({ name: 'followed', partitions: 3 })
  const stop = new AbortController()
  const [times, delays]: [number[], number[]] = [[], []]
  let failed = 0
  const ask = async (path: string) => {
    const { ms, value } = await timed(() => fetch(`${base}/api${path}`).then(async answer => [answer.ok, await answer.text()] as const))
    times.push(ms)
    if (!value[0]) failed++
  }
  const look = async () => {
    while (!stop.signal.aborted) {
      await Promise.all(['/session', '/overview', '/topics?limit=100', '/groups', '/history'].map(ask))
      await sleep(1_000)
    }
  }
  const looking = Array.from({ length: people }, look)
  const following = Array.from({ length: people }, () => follow(`${base}/api/topics/followed/messages?live=true`, delays, stop.signal))
  const end = performance.now() + peopleMs
  while (performance.now() < end) {
    await client.send('followed', [{ key: null, value: Buffer.from(String(performance.now())) }])
    await sleep(250)
  }
  stop.abort()
  await Promise.allSettled([...looking, ...following])
  const percentile = (all: number[], share: number) => all.sort((a, b) => a - b)[Math.floor(all.length * share)] ?? Number.NaN
  tell(`answers to ${people} people`, times.length / (peopleMs / 1_000), '/s')
  tell('an answer, 99 %', percentile(times, 0.99), 'ms', { most: 1_000 })
  tell('failed', failed, 'requests', { most: 0 })
  tell('records seen live', delays.length, 'times', { least: people })
  tell('a record is seen live after, 99 %', percentile(delays, 0.99), 'ms', { most: 2_000 })
}

async function follow(url: string, delays: number[], signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal })
  for await (const text of response.body!.pipeThrough(new TextDecoderStream()))
    for (const [, value] of text.matchAll(/"text":"([\d.]+)"/g)) delays.push(performance.now() - Number(value))
}

/** In megabytes; 0 where the system does not say. */
function peakMemory(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_000
  } catch {
    return 0
  }
}

async function values({ client, base, pid }: Stand): Promise<void> {
  await client.createTopic({ name: 'large', partitions: 1, configs: new Map([['max.message.bytes', '104857600']]) })
  const value = Buffer.alloc(largeBytes, 'a value of a hundred megabytes ')
  await client.send('large', [{ key: null, value }])
  await json(`${base}/api/topics/large`)
  const before = peakMemory(pid)
  const rows = await timed(() => fetch(`${base}/api/topics/large/messages?limit=10`).then(answer => answer.text()))
  if (!rows.value.includes(`"bytes":${largeBytes},"cut":true`)) throw new Error(rows.value.slice(0, 500))
  tell('the row of a value of 100 MB', rows.ms, 'ms', { most: 3_000 })
  tell('memory that took', peakMemory(pid) - before, 'MB', { most: 350 })
  const whole = await timed(() => fetch(`${base}/api/topics/large/messages/0/0/value`).then(answer => answer.arrayBuffer()))
  if (!Buffer.from(whole.value).equals(value)) throw new Error('it is not what was produced')
  tell('all of it saved', whole.ms, 'ms', { most: 10_000 })
  tell('memory that took, together', peakMemory(pid) - before, 'MB', { most: 450 })
}

async function search({ client, base }: Stand): Promise<void> {
  await client.createTopic({ name: 'million', partitions })
  const [atOnce, pad] = [10_000, 'x'.repeat(900)]
  for (let n = 0; n < million; n += atOnce)
    await client.send(
      'million',
      Array.from({ length: atOnce }, (_, more) => ({
        key: null,
        partition: more % partitions,
        value: Buffer.from(`{"id":${n + more},"name":"name ${more}","pad":"${pad}"}`),
      })),
    )
  const queries = { text: `contains=${encodeURIComponent('"id":777777,')}`, CEL: `cel=${encodeURIComponent('value.id == 777777')}` }
  for (const [what, query] of Object.entries(queries)) {
    const { ms, value } = await timed(() =>
      fetch(`${base}/api/topics/million/messages?from=oldest&limit=10&${query}`).then(each => each.text()),
    )
    const last = value.split('\n\n').findLast(event => event.includes('"progress"'))!
    const { scanned, bytes, found } = JSON.parse(last.slice(6)) as { scanned: number; bytes: number; found: number }
    if (found !== 1 || scanned !== million) throw new Error(last)
    tell(`a million records are searched by ${what}`, ms / 1_000, 's')
    tell(`search by ${what}`, bytes / ms / 1_000, 'MB/s', what === 'text' ? { least: 100 } : {})
  }
}
