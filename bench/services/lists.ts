/** The console's list of topics when there are very many of them, by its API and in a browser. */
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from '../../test/console/browser.ts'
import { quantile, rssOf } from '../measure.ts'
import { free, least, type Measured, megabyte, type RowOf, type Stage, shown } from '../row.ts'
import { Stand } from './stand.ts'

const topics = 10_000
const partitions = 4
/** Created at the same time. */
const atOnce = 50
const rounds = 20

const nameOf = (n: number) => `topic-${String(n).padStart(5, '0')}`
const countOf = ({ scale }: Stage<Stand>) => topics * scale

export const listsRow: RowOf<Stand> = {
  name: 'console-lists',
  settings: `${topics.toLocaleString('en-US')} topics of ${partitions} partitions; new services in each round; pages of 100 topics, each asked for ${rounds} times; then a new page of a browser on the same machine`,
  alone: 'Apache Kafka has no console',
  goals: [
    free('firstMs', 'the first page, when the services know nothing yet', 1_000, 'ms'),
    ...['page', 'last', 'search', 'bySize'].flatMap(name => [
      free(`${name}Median`, `${labels(name)}, median`, 100, 'ms'),
      free(`${name}Slowest`, `${labels(name)}, slowest`, 1_000, 'ms'),
    ]),
    shown('megabytes', 'memory of the services', 'MB', 'nothing'),
    free('paintMs', 'first paint in the browser', 500, 'ms'),
    free('listMs', 'the list is there', 1_000, 'ms'),
    free('typedMs', 'five keys of a search, and what they find', 1_000, 'ms'),
    free('sortedMs', 'sorted the other way', 1_000, 'ms'),
    least('frames', 'frames while scrolling', 50, '/s'),
    shown('viewMs', 'another view', 'ms', 'nothing'),
  ],
  warmSteps: 1,
  start: wanted => Stand.start(wanted, ['console']),
  async warm(stage) {
    const { client } = stage.broker
    for (let n = 0; n < countOf(stage); n += atOnce)
      await Promise.all(Array.from({ length: atOnce }, (_, more) => client.createTopic({ name: nameOf(n + more), partitions })))
    return countOf(stage)
  },
  async measure(stage) {
    await stage.broker.restartServices()
    const byApi = await askApi(stage)
    const browser = await openBrowser()
    if (typeof browser === 'string') throw new Error(browser)
    try {
      return { ...byApi, ...(await inBrowser(browser, stage)) }
    } finally {
      await browser.close()
    }
  },
}

function labels(name: string): string {
  return { page: 'a page', last: 'the last page', search: 'a search', bySize: 'sorted by size' }[name]!
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function askApi(stage: Stage<Stand>): Promise<Measured> {
  const { urls, pid } = stage.broker
  const count = countOf(stage)
  const page = async (query: string) => {
    const answer = await fetch(`${urls.console}/api/topics?limit=100&${query}`)
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    const { total, rows } = (await answer.json()) as { total: number; rows: unknown[] }
    if (rows.length === 0 || (total !== count && !query.includes('search'))) throw new Error(`${query}: ${rows.length} of ${total} topics`)
  }
  const measured: Measured = { firstMs: await timed(() => page('')) }
  const queries = { page: '', last: `from=${count - 100}`, search: 'search=77', bySize: 'sort=bytes&descending=true' }
  for (const [name, query] of Object.entries(queries)) {
    const times: number[] = []
    for (let round = 0; round < rounds; round++) times.push(await timed(() => page(query)))
    times.sort((a, b) => a - b)
    measured[`${name}Median`] = quantile(times, 0.5)
    measured[`${name}Slowest`] = times.at(-1)!
  }
  return { ...measured, megabytes: rssOf(pid) / megabyte }
}

async function inBrowser(browser: Browser, stage: Stage<Stand>): Promise<Measured> {
  const last = nameOf(countOf(stage) - 1)
  const page = await browser.newPage()
  const row = (name: string) => page.getByRole('link', { name, exact: true })
  const search = page.getByLabel('Search topics')
  const listMs = await timed(async () => {
    await page.goto(`${stage.broker.urls.console}/topics`)
    await row(nameOf(0)).waitFor()
  })
  const paintMs = (await page.evaluate(`performance.getEntriesByName('first-contentful-paint')[0].startTime`)) as number
  const typedMs = await timed(async () => {
    await search.pressSequentially(last.slice(-5))
    await row(last).waitFor()
  })
  await search.fill('')
  await row(nameOf(0)).waitFor()
  const sortedMs = await timed(async () => {
    await page.getByRole('button', { name: 'Topic', exact: true }).click()
    await row(last).waitFor()
  })
  const frames = await scroll(page)
  const viewMs = await timed(async () => {
    await page.getByRole('link', { name: 'Groups', exact: true }).click()
    await page.getByText('There are no groups yet').waitFor()
  })
  return { listMs, paintMs, typedMs, sortedMs, frames, viewMs }
}

/** Frames in a second. */
async function scroll(page: Page): Promise<number> {
  return (await page.evaluate(`new Promise(resolve => {
    const scroller = document.querySelector('[role=table] > div')
    let [frames, began] = [0, performance.now()]
    const step = () => {
      scroller.scrollTop += 400
      frames++
      if (performance.now() - began < 2000) requestAnimationFrame(step)
      else resolve(frames / 2)
    }
    requestAnimationFrame(step)
  })`)) as number
}
