/** What people do with the console, in a real browser: the main job of each view, and that each view can be used by everybody. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { realSystem } from '../../src/base.ts'
import { type AclOperation, type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import {
  accessible,
  buildConsole,
  loadAxe,
  openBrowser,
  openPage as openPageOf,
  patienceMs,
  problemsOf,
  soon,
  type View,
  violationsOf,
  visit,
  withQuickLooks,
} from './browser.ts'
import { openTransaction } from './raw.ts'
import { fillSample, userSchema } from './sample.ts'

const browser: Browser | string = await openBrowser()
const skip = typeof browser === 'string' ? browser : false
const options = { skip, timeout: 3 * patienceMs }

let broker: Millrace
let services: RunningServices
let client: Client
let base: string
let stopSample: () => Promise<void>

before(async () => {
  if (skip !== false) return
  buildConsole()
  broker = await startBroker({ memory: true, config: { ...authorizer, 'share.coordinator.state.topic.num.partitions': 1 } })
  const settings = settingsFor(broker.address, { services: ['registry', 'console'] })
  services = await startServices(settings, withQuickLooks(realSystem()), silentLogger)
  client = openClient({ bootstrap: broker.address })
  base = `http://127.0.0.1:${services.ports.get('console')}`
  const registryUrl = `http://127.0.0.1:${services.ports.get('registry')}`
  stopSample = await fillSample({ client, port: broker.port, registryUrl, nowMs: Date.now() })
})
after(async () => {
  if (typeof browser === 'string') return
  await browser.close()
  await client.close()
  await services.close()
  await broker.close()
})

const openPage = (path: string, context: BrowserContextOptions = {}) => openPageOf(browser as Browser, base + path, context)

test(
  'who has never seen Kafka creates a topic, produces, watches live, finds a record, resets a group and reads its lag',
  options,
  async () => {
    const { page, complaints } = await openPage('/')
    await page.getByRole('link', { name: 'Topics', exact: true }).first().click()
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
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('row', { name: /u-1/ }).click()
    await page.getByRole('complementary', { name: 'Record' }).getByText('9007199254740993', { exact: true }).waitFor()
    assert.match(page.url(), /open=/, 'the record that is open is part of the URL')
    await page.getByRole('button', { name: 'Close the record' }).click()

    await client.send(
      'first',
      Array.from({ length: 20_000 }, (_, n) => ({ key: null, value: Buffer.from(`{"n": ${n}}`) })),
    )
    await client.setGroupOffsets('readers', [
      { topic: 'first', partition: 0, offset: 0n },
      { topic: 'first', partition: 1, offset: 0n },
    ])
    await page.getByRole('button', { name: '■ Live' }).click()
    await page.getByRole('button', { name: '▶ Live' }).waitFor()
    await page.getByLabel('Filter', { exact: true }).fill('"n": 12345}')
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.getByRole('row', { name: /12345/ }).waitFor()
    await page.getByText('20,001 records read').waitFor()

    await page.getByRole('link', { name: 'Groups', exact: true }).last().click()
    const group = page.getByRole('link', { name: 'readers', exact: true })
    await soon(page, async () => (await group.count()) === 1)
    await group.click()
    await page.getByText('lag 20,001 records').waitFor()
    await page.getByRole('button', { name: 'Reset offsets' }).click()
    await page.getByLabel('To', { exact: true }).selectOption('latest')
    await page.getByRole('button', { name: 'Preview' }).click()
    await page.getByText('20,001 records will be skipped').waitFor()
    await page.getByRole('button', { name: 'Reset', exact: true }).click()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByText('lag 0 records').waitFor()
    const offsets = await client.groupOffsets('readers', 'classic')
    assert.equal(
      offsets.reduce((sum, each) => sum + each.offset, 0n),
      20_001n,
    )
    const plot = page.getByRole('img', { name: /Lag of the last hour.*now lag 0/ })
    await soon(page, async () => (await plot.count()) === 1)
    assert.deepEqual(complaints, [])
    await page.close()
  },
)

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
  await visit(page, '/topics/orders/messages')
  await page.getByRole('row', { name: /A-499/ }).waitFor()
  await page.getByRole('button', { name: 'Save ▾' }).click()
  await page.getByRole('menuitem', { name: 'Saved filters…' }).click()
  await page.getByRole('button', { name: 'Use', exact: true }).click()
  await page.waitForURL(/cel=/)
  await page.getByText('500 records read').waitFor()
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
  await visit(page, '/topics/users/messages?contains=changed')
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

test('a right is given, found in the matrix, explained, and seen at its topic', options, async () => {
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
  await visit(page, '/topics/orders/acl')
  await page.getByRole('row', { name: /User:alice yes no yes/ }).waitFor()
  await page.getByRole('button', { name: 'Delete…' }).click()
  await page.getByLabel('Type User:alice to confirm').fill('User:alice')
  await page.getByRole('button', { name: 'Delete the ACL' }).click()
  await page.getByText('No ACL is about this topic').waitFor()
  await page.close()
})

test('an open transaction is found and aborted by its name', options, async () => {
  const transaction = await openTransaction(broker.port, 'hanging', 'orders')
  const { page } = await openPage('/transactions')
  await page.getByRole('row', { name: /hanging/ }).click()
  await page.getByLabel('Type hanging to confirm').fill('hanging')
  await page.getByRole('button', { name: 'Abort the transaction' }).click()
  await page.getByText('No transaction is open').waitFor()
  assert.notEqual(await transaction.go(), 'NONE')
  transaction.close()
  await page.close()
})

test('a topic gets more partitions, is emptied, and deleted, each by its name', options, async () => {
  await client.createTopic({ name: 'spare', partitions: 1 })
  await client.send('spare', [{ key: null, value: Buffer.from('x') }])
  const { page } = await openPage('/topics/spare/partitions')
  const choose = async (item: string) => {
    await page.getByRole('button', { name: 'More', exact: true }).click()
    await page.getByRole('menuitem', { name: item }).click()
  }
  await choose('Add partitions…')
  await page.getByLabel('Number of partitions').fill('3')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByText('3 partitions').waitFor()
  await choose('Empty…')
  const empty = page.getByRole('button', { name: 'Delete all records' })
  assert.ok(await empty.isDisabled(), 'not without the name')
  await page.getByLabel('Type spare to confirm').fill('spare')
  await empty.click()
  await page.getByText('0 records').waitFor()
  await choose('Delete…')
  await page.getByLabel('Type spare to confirm').fill('spare')
  await page.getByRole('button', { name: 'Delete the topic' }).click()
  await page.waitForURL(/\/topics$/)
  await page.getByRole('link', { name: 'orders', exact: true }).waitFor()
  await eventually(async () => (await page.getByRole('link', { name: 'spare', exact: true }).count()) === 0)
  await page.close()
})

const views: readonly View[] = [
  ['/', 'Without leader'],
  ['/topics', 'Internal topics'],
  ['/topics/orders/messages?cel=true&open=0%3A0', 'Headers (1)'],
  ['/topics/orders/partitions', 'in sync'],
  ['/topics/orders/groups', 'Lag here'],
  ['/topics/clicks/groups', 'No group reads this topic'],
  ['/topics/orders/config?all=true', 'cleanup.policy'],
  ['/topics/users/schema', 'compatibility BACKWARD'],
  ['/topics/orders/schema', 'This topic has no schema'],
  ['/topics/orders/acl', 'See config'],
  ['/groups', 'billing'],
  ['/groups/billing/lag', 'payments'],
  ['/groups/billing/members', 'No consumer is in this group now'],
  ['/groups/billing/offsets', 'Committed'],
  ['/groups/billing/history', 'Nothing has changed'],
  ['/groups/search-indexer/members', 'Client'],
  ['/groups/workers/share', 'Not settled'],
  ['/groups/nobody/lag', 'GROUP_ID_NOT_FOUND'],
  ['/schemas', 'users-value'],
  ['/schemas/users-value?version=2&against=1', '"email"'],
  ['/transactions', 'No transaction is open'],
  ['/security/acls', 'May they, and why?'],
  ['/security/users', 'SCRAM'],
  ['/security/quotas', 'There are no quotas'],
  ['/security/tokens', 'DELEGATION_TOKEN'],
  ['/brokers', 'controller'],
  ['/brokers/1', 'super.users'],
  ['/client-metrics', 'Clients are not asked'],
  ['/settings', 'You are'],
  ['/nowhere', 'There is no such page'],
]

test('every view is accessible, in light and dark, and fits a narrow screen', { skip, timeout: 6 * patienceMs }, async () => {
  const { page } = await openPage('/nowhere', { bypassCSP: true })
  assert.deepEqual(await problemsOf(page, views), [])
  await page.close()
})

test('a person logs in, comes to the view that was asked for, sees no button that would be refused, and logs out', options, async t => {
  const secured = await startSecured(t, authorizer)
  const admin = openClient({ bootstrap: `127.0.0.1:${secured.port('PLAINTEXT')}` })
  t.after(() => admin.close())
  await admin.createTopic({ name: 'orders', partitions: 1 })
  await admin.setGroupOffsets('billing', [{ topic: 'orders', partition: 0, offset: 0n }])
  const allow = (resourceType: 'TOPIC' | 'GROUP', resourceName: string, operation: AclOperation) =>
    admin.createAcls([
      { resourceType, resourceName, patternType: 'LITERAL', principal: 'User:alice', host: '*', operation, permission: 'ALLOW' },
    ])
  await allow('TOPIC', 'orders', 'READ')
  await allow('GROUP', 'billing', 'DESCRIBE')
  const properties = { 'security.protocol': 'SASL_PLAINTEXT' }
  const ownProperties = { ...properties, 'sasl.mechanism': 'PLAIN', 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const settings = settingsFor(`127.0.0.1:${secured.port('SASL_PLAINTEXT')}`, { services: ['console'], properties, ownProperties })
  const running = await startServices(settings, realSystem(), silentLogger)
  t.after(() => running.close())
  const there = `http://127.0.0.1:${running.ports.get('console')}`
  const page = await (browser as Browser).newPage({ bypassCSP: true })
  page.setDefaultTimeout(patienceMs)
  const errors: string[] = []
  page.on('pageerror', error => errors.push(error.message))

  await page.goto(`${there}/groups/billing/lag`)
  await page.getByRole('heading', { name: 'Log in to Millrace' }).waitFor()
  await loadAxe(page)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    assert.deepEqual(await violationsOf(page, accessible), [])
  }
  const logIn = async (user: string, password: string) => {
    await page.getByLabel('User').fill(user)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Log in' }).click()
  }
  await logIn('alice', 'wrong')
  await page.getByRole('alert').getByText('The user name or the password is wrong').waitFor()
  const rights = page.waitForResponse(response => response.url().includes('/api/rights'))
  await logIn('alice', 'alice-pw')
  await page.getByRole('heading', { name: 'billing' }).waitFor()
  assert.equal(new URL(page.url()).pathname, '/groups/billing/lag')
  await page.getByText('alice', { exact: true }).waitFor()
  await (await rights).finished()
  const shown = (name: string) => page.getByRole('button', { name, exact: true }).count()
  assert.deepEqual([await shown('Reset offsets'), await shown('Delete')], [0, 0])
  await visit(page, '/topics/orders/messages')
  await page.getByText('There are no records here').waitFor()
  assert.deepEqual([await shown('Produce'), await shown('More')], [0, 0])
  await visit(page, '/topics/orders/acl')
  await page.getByRole('heading', { name: 'You may not see this' }).waitFor()
  assert.deepEqual(await page.evaluate('[document.cookie, JSON.stringify(localStorage)]'), ['', '{}'], 'scripts see nothing of the login')

  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in to Millrace' }).waitFor()
  await logIn('admin', 'admin-pw')
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  await page.goto(`${there}/groups/billing/lag`)
  await page.getByRole('button', { name: 'Reset offsets' }).waitFor()
  await page.context().clearCookies()
  await page.getByRole('heading', { name: 'Log in to Millrace' }).waitFor()
  assert.deepEqual(errors, [])
  await page.close()
})

test('a broker that goes away and comes back', options, async () => {
  const { page } = await openPage('/topics')
  await page.getByRole('link', { name: 'orders', exact: true }).waitFor()
  const { port } = broker
  // Its consumers would wait for this broker.
  await stopSample()
  await broker.close()
  await page.clock.fastForward(6_000)
  await page.getByText('The broker does not answer.').waitFor()
  broker = await startBroker({ memory: true, port })
  await page.clock.fastForward(6_000)
  await page.getByText('The broker does not answer.').waitFor({ state: 'detached' })
  await page.close()
})
