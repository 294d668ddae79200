/** What people do with the console, in a real browser: the main job of each view, and that each view can be used by everybody. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { realSystem } from '../../src/base.ts'
import { type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import { accessible, buildConsole, loadAxe, openBrowser, violationsOf } from './browser.ts'
import { fillSample, userSchema } from './sample.ts'

const patienceMs = 120_000
const browser: Browser | string = await openBrowser()
const skip = typeof browser === 'string' ? browser : false
const options = { skip, timeout: 3 * patienceMs }

let broker: Millrace
let services: RunningServices
let client: Client
let base: string

before(async () => {
  if (skip !== false) return
  buildConsole()
  broker = await startBroker({ memory: true, config: authorizer })
  services = await startServices(settingsFor(broker.address, { services: ['registry', 'console'] }), realSystem(), silentLogger)
  client = openClient({ bootstrap: broker.address })
  base = `http://127.0.0.1:${services.ports.get('console')}`
  await fillSample(client, `http://127.0.0.1:${services.ports.get('registry')}`, Date.now())
})
after(async () => {
  if (typeof browser === 'string') return
  await browser.close()
  await client.close()
  await services.close()
  await broker.close()
})

/** A page, and what it complained of. */
async function openPage(path: string, context: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
  const page = await (browser as Browser).newPage(context)
  page.setDefaultTimeout(patienceMs)
  const complaints: string[] = []
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  await page.goto(base + path)
  return { page, complaints }
}

test('a topic is created, a record is produced, and seen live', options, async () => {
  const { page, complaints } = await openPage('/topics')
  await page.getByRole('button', { name: 'Create topic' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill('first')
  await page.getByLabel('Partitions').fill('2')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByRole('heading', { name: 'There are no records here' }).waitFor()
  assert.match(page.url(), /\/topics\/first\/messages$/)

  await page.getByRole('button', { name: 'Live' }).click()
  await page.getByText('● Live').waitFor()
  await page.getByRole('button', { name: 'Produce' }).click()
  await page.getByLabel('Key', { exact: true }).fill('u-1')
  await page.getByRole('textbox', { name: 'Value' }).fill('{"id": 9007199254740993}')
  await page.getByRole('button', { name: 'Produce', exact: true }).last().click()
  await page.getByText(/Stored in partition \d at offset 0/).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()

  await page.getByRole('row', { name: /u-1/ }).click()
  await page.getByRole('complementary', { name: 'Record' }).getByText('9007199254740993', { exact: true }).waitFor()
  assert.match(page.url(), /open=/, 'the record that is open is part of the URL')
  assert.deepEqual(complaints, [])
  await page.close()
})

test('a record is found by a condition, which is part of the URL and can be saved', options, async () => {
  const { page, complaints } = await openPage('/topics/orders/messages')
  await page.getByRole('button', { name: '+ Filters' }).click()
  await page.getByLabel('CEL').fill('value.items[0].sku == "A-123"')
  await page.getByRole('button', { name: 'Search', exact: true }).click()
  await page.getByText('500 records read').waitFor()
  await page.getByRole('row', { name: /A-123/ }).waitFor()
  assert.equal(new URL(page.url()).searchParams.get('cel'), 'value.items[0].sku == "A-123"')
  await page.getByRole('button', { name: 'Save ▾' }).click()
  await page.getByRole('menuitem', { name: 'Save this filter for all…' }).click()
  await page.getByLabel('Name').fill('one order')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.goto(`${base}/topics/orders/messages`)
  await page.getByRole('button', { name: 'Save ▾' }).click()
  await page.getByRole('menuitem', { name: 'Saved filters…' }).click()
  await page.getByRole('button', { name: 'Use', exact: true }).click()
  await page.waitForURL(/cel=/)
  await page.getByRole('row', { name: /A-123/ }).waitFor()
  assert.deepEqual(complaints, [])
  await page.close()
})

test('a value is decoded by its schema, and its record produced again', options, async () => {
  const { page, complaints } = await openPage('/topics/users/messages?contains=user-7')
  await page.getByRole('row', { name: /name 7/ }).click()
  await page.getByText('avro User, schema 1').waitFor()
  await page.getByRole('button', { name: 'Produce again…' }).click()
  await page.getByRole('textbox', { name: 'Value' }).fill('{"id": 7, "name": "changed"}')
  await page.getByRole('button', { name: 'Produce', exact: true }).last().click()
  await page.getByText(/Stored in partition/).waitFor()
  await page.goto(`${base}/topics/users/messages?contains=changed`)
  await page.getByRole('row', { name: /"name":"changed"/ }).waitFor()
  assert.deepEqual(complaints, [])
  await page.close()
})

test('dead letters go back to where they came from', options, async () => {
  const { page } = await openPage('/topics/payments.dlq/messages')
  await page.getByRole('button', { name: 'Redrive 5…' }).click()
  await page.getByRole('button', { name: 'Show where they would go' }).click()
  await page.getByText('5 records can be sent; nothing has been yet.').waitFor()
  await page.getByRole('button', { name: 'Send 5 records' }).click()
  await page.getByText('5 records sent.').waitFor()
  assert.equal((await client.offsets('payments', [1], 'latest')).get(1), 5n)
  await page.close()
})

test('offsets of a group are reset after a preview, and its lag is a plot', options, async () => {
  const { page } = await openPage('/groups/billing/lag')
  await page.getByRole('button', { name: 'Reset offsets' }).click()
  await page.getByLabel('To', { exact: true }).selectOption('latest')
  await page.getByRole('button', { name: 'Preview' }).click()
  await page.getByRole('columnheader', { name: 'Lag then' }).waitFor()
  await page.getByRole('button', { name: 'Reset', exact: true }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  const offsets = await client.groupOffsets('billing', 'classic')
  const ends = await client.offsets('orders', [0], 'latest')
  assert.equal(offsets.find(each => each.topic === 'orders' && each.partition === 0)!.offset, ends.get(0))
  // Two looks are needed, ten seconds apart.
  await page.getByRole('img', { name: /Lag of the last hour/ }).waitFor()
  await page.close()
})

test('a schema is checked before it is saved, and compared', options, async () => {
  const { page } = await openPage('/schemas/users-value')
  await page.getByText('schema id 2').waitFor()
  await page.getByRole('button', { name: 'New version' }).click()
  const schema = page.getByRole('textbox', { name: 'Schema' })
  const another = (field: object) => JSON.stringify({ ...userSchema, fields: [...userSchema.fields, field] })
  await schema.fill(another({ name: 'age', type: 'int' }))
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByText('It cannot be saved:').waitFor()
  await schema.fill(another({ name: 'age', type: 'int', default: 0 }))
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByText('It is compatible.').waitFor()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('3 versions').waitFor()
  await page.getByLabel('Compare with').selectOption('2')
  await page.getByText('"default": 0').waitFor()
  assert.match(page.url(), /against=2/)
  await page.close()
})

test('a right is given, found in the matrix, and explained', options, async () => {
  const { page } = await openPage('/security/acls')
  await page.getByRole('button', { name: 'Add ACL' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Principal').fill('User:alice')
  await dialog.getByLabel('Name', { exact: true }).fill('orders')
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByRole('button', { name: 'read', exact: true }).waitFor()
  await page.getByLabel('Principal', { exact: true }).fill('User:alice')
  await page.getByLabel('Name', { exact: true }).fill('orders')
  await page.getByLabel('Operation').selectOption('WRITE')
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText('those for User:alice are about other operations').waitFor()
  await page.close()
})

const views: readonly [path: string, shows: string][] = [
  ['/', 'Brokers'],
  ['/topics', 'in sync'],
  ['/topics/orders/messages?cel=true&open=0%3A0', 'Headers (1)'],
  ['/topics/orders/partitions', 'in sync'],
  ['/topics/orders/config?all=true', 'cleanup.policy'],
  ['/groups', 'billing'],
  ['/groups/billing/lag', 'payments'],
  ['/groups/billing/members', 'members'],
  ['/groups/billing/history', 'Nothing has changed'],
  ['/groups/nobody/lag', 'GROUP_ID_NOT_FOUND'],
  ['/schemas', 'users-value'],
  ['/schemas/users-value?version=2&against=1', '"email"'],
  ['/transactions', 'No transaction is open'],
  ['/security/acls', 'May they, and why?'],
  ['/security/users', 'SCRAM'],
  ['/security/quotas', 'quotas'],
  ['/security/tokens', 'oken'],
  ['/brokers', 'controller'],
  ['/brokers/1', 'super.users'],
  ['/client-metrics', 'metrics'],
  ['/settings', 'You are'],
  ['/nowhere', 'There is no such page'],
]

/** Colours change with a transition, and axe reads them as they are. */
const colorsSettled = `Promise.allSettled(
  document.getAnimations().filter(each => each instanceof CSSTransition).map(each => each.finished))`
const excessOf = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

test('every view is accessible, in light and dark, and fits a narrow screen', { skip, timeout: 6 * patienceMs }, async () => {
  const { page } = await openPage('/', { bypassCSP: true })
  const problems: string[] = []
  const run = async (path: string, how: string, rules: object) => {
    for (const { id, nodes } of await violationsOf(page, rules)) problems.push(`${how} ${path}: ${id} at ${nodes[0]!.html.slice(0, 200)}`)
  }
  for (const [path, shows] of views) {
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto(base + path)
    await page.getByText(shows).first().waitFor()
    await loadAxe(page)
    await run(path, 'light', accessible)
    await page.emulateMedia({ colorScheme: 'dark' })
    // As text: these sources are not checked as those of a page.
    await page.evaluate(colorsSettled)
    await run(path, 'dark', { type: 'rule', values: ['color-contrast'] })
    await page.setViewportSize({ width: 360, height: 720 })
    // What is drawn, such as a plot, follows the width a moment later.
    await page.waitForFunction(`${excessOf} <= 0`, null, { timeout: 5_000 }).catch(async () => {
      problems.push(`${path} is ${await page.evaluate(excessOf)} px too wide for a narrow screen`)
    })
    await page.setViewportSize({ width: 1280, height: 720 })
  }
  assert.deepEqual(problems, [])
  await page.close()
})

test('who has few rights sees no button for what is not allowed', options, async t => {
  const secured = await startSecured(t, authorizer)
  const admin = openClient({ bootstrap: `127.0.0.1:${secured.port('PLAINTEXT')}` })
  await admin.createTopic({ name: 'readable', partitions: 1 })
  await admin.createAcls([
    {
      ...{ resourceType: 'TOPIC', resourceName: 'readable', patternType: 'LITERAL' },
      ...{ principal: 'User:alice', host: '*', operation: 'READ', permission: 'ALLOW' },
    },
  ])
  await admin.close()
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const own = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const settings = settingsFor(`127.0.0.1:${secured.port('SASL_PLAINTEXT')}`, { services: ['console'], properties, ownProperties: own })
  const running = await startServices(settings, realSystem(), silentLogger)
  t.after(() => running.close())
  const there = `http://127.0.0.1:${running.ports.get('console')}`
  const { page } = await openPage('')
  await page.request.post(`${there}/api/login`, { data: { username: 'alice', password: 'alice-pw' } })
  await page.goto(`${there}/topics/readable/messages`)
  await page.getByText('There are no records here').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Produce', exact: true }).count(), 0)
  assert.equal(await page.getByRole('button', { name: 'More', exact: true }).count(), 0)
  await page.goto(`${there}/security/acls`)
  await page.getByRole('heading', { name: 'You may not see this' }).waitFor()
  await page.close()
})

test('a broker that goes away and comes back', options, async () => {
  const { page } = await openPage('/topics')
  await page.getByRole('link', { name: 'orders', exact: true }).waitFor()
  const { port } = broker
  await broker.close()
  await page.getByText('The broker does not answer.').waitFor()
  broker = await startBroker({ memory: true, port })
  await page.getByText('The broker does not answer.').waitFor({ state: 'detached' })
  await page.close()
})
