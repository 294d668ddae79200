/**
 * Takes the pictures of docs/console.md: a broker with a small shop in it, and a browser that looks at it. `npm run pictures [-- NAME… --png DIR]`, where DIR gets them as PNG, too.
 *
 * The plots show half an hour. It takes 40 seconds, because the clock of the services goes faster until then.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Browser } from 'playwright-core'
import { freePorts } from '../compat/support/run.ts'
import { realSystem, type System, trustingClock } from '../src/base.ts'
import { type Client, openClient } from '../src/client.ts'
import { silentLogger } from '../src/logger.ts'
import { startBroker } from '../src/millrace.ts'
import { startServices } from '../src/services.ts'
import { buildConsole, openBrowser } from '../test/console/browser.ts'
import { openTransaction } from '../test/console/raw.ts'
import { fillSample } from '../test/console/sample.ts'
import { authorizer } from '../test/security/support.ts'
import { settingsFor } from '../test/services/settings.ts'

const { values: flags, positionals } = parseArgs({ allowPositionals: true, options: { png: { type: 'string' } } })
const directory = join(import.meta.dirname, '../docs/console')

interface Picture {
  name: string
  path: string
  dark?: boolean
  narrow?: boolean
  /** It needs connectors and triggers. */
  hub?: boolean
  /** What is there when the picture may be taken. */
  shows: string
}

const pictures: readonly Picture[] = [
  { name: 'overview', path: '/', shows: 'Records in' },
  { name: 'messages', path: '/topics/orders/messages?cel=value.total%20%3E%2080', shows: 'Tree', dark: true },
  { name: 'lag', path: '/groups/billing/lag', shows: 'Lag of the last hour' },
  { name: 'schema', path: '/schemas/users-value?against=1', shows: '"email"' },
  { name: 'connector', path: '/connectors/orders-to-file/config', shows: 'What the connector gets', hub: true },
  { name: 'trigger', path: '/triggers/large-orders/function', shows: 'Call with the newest record', hub: true },
  { name: 'access', path: '/topics/orders/acl', shows: 'May they, and why?', dark: true },
  { name: 'narrow', path: '/topics/users/messages', shows: 'name 19', narrow: true },
]

const patienceMs = 120_000
const fastMs = 40_000
const faster = 45

/** At the end of the fast time it is as late as it really is. */
function hurrying(system: System): System {
  const begun = performance.now()
  const began = Date.now() - fastMs * (faster - 1)
  const elapsed = () => {
    const ms = performance.now() - begun
    return ms < fastMs ? ms * faster : ms + fastMs * (faster - 1)
  }
  const after: System['timers']['after'] = (ms, run) => system.timers.after(performance.now() - begun < fastMs ? ms / faster : ms, run)
  const clock = trustingClock(
    () => began + elapsed(),
    () => begun + elapsed(),
  )
  return { ...system, clock, timers: { after, soon: system.timers.soon } }
}

/** Orders come in waves, and billing falls behind and catches up. */
async function trade(client: Client, signal: AbortSignal): Promise<void> {
  const partitions = Array.from({ length: 6 }, (_, partition) => partition)
  for (let round = 0; !signal.aborted; round++) {
    const count = Math.round(150 + 120 * Math.sin(round / 18) + 30 * Math.sin(round))
    const value = Buffer.from(
      JSON.stringify({ id: round, total: (round * 7) % 90, items: [{ sku: `A-${round}`, count: 1 }], status: 'new' }),
    )
    await client.send(
      'clicks',
      Array.from({ length: count }, () => ({ key: null, value })),
    )
    await client.send('orders', [{ key: Buffer.from(`u-${round % 97}`), value, timestampMs: BigInt(Date.now()) }])
    if (round % 60 === 40) {
      const ends = await client.offsets('orders', partitions, 'latest')
      await client.setGroupOffsets(
        'billing',
        partitions.map(partition => ({ topic: 'orders', partition, offset: ends.get(partition)! })),
      )
    }
    await sleep(100)
  }
}

async function take(browser: Browser, base: string, { name, path, dark = false, narrow = false, shows }: Picture): Promise<void> {
  const viewport = narrow ? { width: 360, height: 640 } : { width: 1100, height: 640 }
  const page = await browser.newPage({ viewport, colorScheme: dark ? 'dark' : 'light' })
  page.setDefaultTimeout(patienceMs)
  await page.goto(base + path)
  if (name === 'messages') await page.getByRole('row', { name: /A-1/ }).first().click()
  await page.getByText(shows).first().waitFor()
  if (name === 'trigger') {
    await page.getByRole('button', { name: 'Call with the newest record of orders' }).click()
    await page.getByText(/done in/).waitFor()
  }
  // Until what was loaded is drawn.
  await page.waitForTimeout(1_000)
  if (flags.png !== undefined) await page.screenshot({ path: join(flags.png, `${name}.png`) })
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 80 })
  writeFileSync(join(directory, `${name}.webp`), Buffer.from(data, 'base64'))
  await page.close()
}

buildConsole()
const browser = await openBrowser()
if (typeof browser === 'string') throw new Error(browser)
const httpPort = await freePorts(1)
const broker = await startBroker({ memory: true, config: { ...authorizer, 'http.listen': `127.0.0.1:${httpPort}` } })
const settings = settingsFor(broker.address, {
  services: ['registry', 'console', 'connect', 'triggers'],
  metricsUrl: `http://127.0.0.1:${httpPort}/metrics`,
})
const services = await startServices(settings, hurrying(realSystem()), silentLogger)
const client = openClient({ bootstrap: broker.address })
const registryUrl = `http://127.0.0.1:${services.ports.get('registry')}`
const stopSample = await fillSample({ client, port: broker.port, registryUrl, nowMs: Date.now() })
await client.createAcls(
  (['READ', 'WRITE'] as const).flatMap(operation =>
    ['alice', 'billing'].map(user => ({
      ...{ resourceType: 'TOPIC' as const, resourceName: user === 'alice' ? 'orders' : 'ord', operation, permission: 'ALLOW' as const },
      ...{ patternType: user === 'alice' ? ('LITERAL' as const) : ('PREFIXED' as const), principal: `User:${user}`, host: '*' },
    })),
  ),
)
const ordersFile = join(tmpdir(), 'millrace-orders.txt')

/** When time goes as it does: a worker would take itself for late otherwise. */
async function fillHub(base: string): Promise<void> {
  const formats = { 'key.converter': 'string', 'value.converter': 'json', 'value.converter.schemas.enable': 'false' }
  const transform = { transforms: 'mask', 'transforms.mask.type': 'org.apache.kafka.connect.transforms.ReplaceField$Value' }
  const config = {
    ...{ 'connector.class': 'file-sink', topics: 'orders', file: ordersFile, ...formats, ...transform },
    ...{ 'transforms.mask.exclude': 'items', 'transforms.mask.renames': 'id:order' },
  }
  const code = `/** Orders above 50, as the warehouse wants them. */
export async function main_handler(event) {
  console.log('called with', event.Records.length, 'records')
  return event.Records.map(({ Ckafka }) => {
    const { items, total } = JSON.parse(Ckafka.msgBody)
    return { key: Ckafka.msgKey, value: { items, total } }
  })
}
`
  const definition = {
    topics: ['orders'],
    start: 'oldest',
    function: { code },
    filter: { cel: 'value.total > 50' },
    output: { topic: 'clicks' },
  }
  await post(`${base}/api/connectors`, { name: 'orders-to-file', config })
  await post(`${base}/api/triggers`, { name: 'large-orders', definition })
}

async function post(url: string, body: object): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`)
}

const transaction = await openTransaction(broker.port, 'importer', 'payments')
const stop = new AbortController()
const trading = trade(client, stop.signal)
await sleep(fastMs)
mkdirSync(directory, { recursive: true })
const base = `http://127.0.0.1:${services.ports.get('console')}`
const wanted = (each: Picture) => positionals.length === 0 || positionals.includes(each.name)
const [ofHub, others] = [
  pictures.filter(each => each.hub === true && wanted(each)),
  pictures.filter(each => each.hub !== true && wanted(each)),
]
for (const picture of others) await take(browser, base, picture)
// What they do is on the plots, so they come last.
if (ofHub.length > 0) await fillHub(base)
for (const picture of ofHub) await take(browser, base, picture)
stop.abort()
await trading
transaction.close()
await stopSample()
await browser.close()
await client.close()
await services.close()
await broker.close()
rmSync(ordersFile, { force: true })
