/** Connectors and triggers in a real browser: the main job of each view, and that each view can be used by everybody. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { eventually } from '../cluster/two-brokers.ts'
import { buildConsole, openBrowser, openPage as openPageOf, patienceMs, problemsOf, soon, type View } from './browser.ts'
import { type Hub, startHub } from './hub.testing.ts'

const browser: Browser | string = await openBrowser()
const skip = typeof browser === 'string' ? browser : false
const options = { skip, timeout: 3 * patienceMs }

let hub: Hub

before(async () => {
  if (skip !== false) return
  buildConsole()
  hub = await startHub()
  await hub.client.createTopic({ name: 'orders', partitions: 1 })
  await hub.client.send('orders', [{ key: Buffer.from('u-1'), value: Buffer.from('{"id":9007199254740993,"card":"4111"}') }])
})
after(async () => {
  if (typeof browser === 'string') return
  await browser.close()
  await hub[Symbol.asyncDispose]()
})

const openPage = (path: string, context: BrowserContextOptions = {}) => openPageOf(browser as Browser, hub.base + path, context)

test('a connector is made by a form, with a transform that is seen on real records, and carries them', options, async () => {
  const { page, complaints } = await openPage('/connectors')
  await page.getByRole('link', { name: 'New connector' }).click()
  await page.getByRole('link', { name: 'file-sink' }).click()
  await page.getByLabel('name', { exact: false }).first().fill('lines')
  await page.getByLabel('file', { exact: true }).fill(join(hub.directory, 'lines.txt'))
  await page.getByLabel('tasks.max', { exact: true }).fill('many')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('values are not right').waitFor()
  await page.getByText('Not a number of type INT').waitFor()
  // Who was refused is led to what is wrong.
  await page.locator('[aria-invalid="true"]:focus').waitFor()
  await page.getByLabel('tasks.max', { exact: true }).fill('1')
  await page.getByLabel('topics', { exact: true }).fill('orders')

  await page.getByLabel('Add a transform').selectOption({ label: 'ReplaceField$Value' })
  await page.getByRole('button', { name: 'Preview on real records' }).click()
  await page
    .getByRole('button', { name: /more keys/ })
    .nth(2)
    .waitFor()
  await page
    .getByRole('group', { name: '1. replaceField' })
    .getByRole('button', { name: /more key/ })
    .click()
  await page.getByLabel('transforms.replaceField.exclude').fill('card')
  await page.getByLabel('transforms.replaceField.exclude').press('Tab')
  const after = page.getByRole('region', { name: 'What the connector gets' })
  await after.getByText('9007199254740993').waitFor()
  await after.filter({ hasNotText: '4111' }).waitFor()
  assert.match((await page.getByRole('region', { name: 'As it is read' }).textContent()) ?? '', /4111/)

  await page.getByLabel('Add a transform').selectOption({ label: 'InsertField$Value' })
  await page.getByRole('button', { name: 'Move the transform insertField up' }).click()
  await page.getByRole('group', { name: '1. insertField' }).waitFor()
  await page.getByRole('button', { name: 'Remove the transform insertField' }).click()
  await page.getByRole('group', { name: '1. replaceField' }).waitFor()
  await page.getByRole('button', { name: 'Create' }).click()
  await page.waitForURL(/\/connectors\/lines\/status$/)
  await soon(page, async () => (await page.getByText('running').count()) > 1)
  const file = join(hub.directory, 'lines.txt')
  await eventually(async () => existsSync(file) && readFileSync(file, 'utf8') === '{"id":9007199254740993}\n', 1_000)
  await page.getByRole('button', { name: 'Pause' }).click()
  await soon(page, async () => (await page.getByRole('button', { name: 'Resume' }).count()) === 1)
  await page.getByRole('button', { name: 'More', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Stop, to change offsets' }).click()
  await page.getByRole('link', { name: 'Offsets' }).click()
  await soon(page, async () => (await page.getByRole('button', { name: 'Reset offsets' }).count()) === 1)
  await page.getByText('{"kafka_offset":1}').waitFor()
  await page.getByRole('button', { name: 'Reset offsets' }).click()
  await page.getByLabel('Type lines to confirm').fill('lines')
  await page.getByRole('button', { name: 'Reset the offsets' }).click()
  await page.getByText('It has no offsets yet').waitFor()
  await page.getByRole('button', { name: 'More', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Delete…' }).click()
  await page.getByLabel('Type lines to confirm').fill('lines')
  await page.getByRole('button', { name: 'Delete the connector' }).click()
  await page.waitForURL(/\/connectors$/)
  await page.getByText('There are no connectors yet').waitFor()
  assert.deepEqual(
    complaints.filter(each => !/status of 400|status of 404/.test(each)),
    [],
  )
  await page.close()
})

test('what is written as JSON is kept while it is wrong, and not saved as it was before', options, async () => {
  const { page } = await openPage('/create-connector?class=file-sink')
  await page.getByLabel('name', { exact: false }).first().fill('pasted')
  await page.getByLabel('topics', { exact: true }).fill('orders')
  await page.getByRole('button', { name: 'As JSON' }).click()
  const editor = page.getByRole('textbox', { name: 'Configuration' })
  await editor.fill('{"file": ')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('Nothing was saved').waitFor()
  await editor.fill('{"topics": "orders", "connector.class": "no-such-class", "file": "/dev/null"}')
  await page.getByRole('button', { name: 'Create' }).click()
  await page
    .getByText(/no-such-class/)
    .nth(1)
    .waitFor()
  assert.equal((await hub.ask('GET', '/connectors/pasted')).status, 404)
  await editor.fill('{"topics": "orders", "connector.class": "file-sink", "file": "/dev/null"}')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.waitForURL(/\/connectors\/pasted\/status$/)
  await eventually(async () => (await hub.ask('DELETE', '/connectors/pasted?confirm=pasted')).status === 200, 400)
  await page.close()
})

test('why a connector has failed is seen at once, also on a narrow screen', options, async () => {
  const config = { topics: 'orders', file: join(hub.directory, 'no/such/lines.txt'), 'value.converter.schemas.enable': 'false' }
  const whole = { 'connector.class': 'file-sink', 'key.converter': 'string', 'value.converter': 'json', ...config }
  await eventually(async () => (await hub.ask('POST', '/connectors', { name: 'broken', config: whole })).status === 200, 400)
  const { page } = await openPage('/connectors', { viewport: { width: 360, height: 720 } })
  // The clock of the page may be past the next try by then.
  await soon(page, async () => (await page.getByText('its task failed, next try').count()) === 1)
  const name = page.getByRole('link', { name: 'broken' })
  const [other] = await Promise.all([page.context().waitForEvent('page'), name.click({ modifiers: ['ControlOrMeta'] })])
  await other.waitForURL(/\/connectors\/broken\/status$/)
  assert.match(page.url(), /\/connectors$/, 'what is opened in another tab leaves the list where it is')
  await other.close()
  await name.click()
  await page.getByRole('region', { name: 'Why task 0 has failed' }).getByText('ENOENT').first().waitFor()
  // As for somebody who may not ALTER the cluster.
  await page.route('**/api/rights*', async route => {
    const response = await route.fetch()
    await route.fulfill({ response, json: { ...(await response.json()), cluster: ['DESCRIBE'] } })
  })
  await page.goto(`${hub.base}/connectors/broken/config`)
  const shown = page.getByRole('region', { name: 'Configuration' })
  await shown.getByText('no/such/lines.txt').waitFor()
  assert.equal(await page.getByRole('button', { name: /Save|Pause|Restart/ }).count(), 0)
  await page.close()
})

test('a function is written, tried with a real record, filtered, deployed, watched, and rolled back', options, async () => {
  await hub.client.createTopic({ name: 'words', partitions: 1 })
  await hub.client.createTopic({ name: 'upper', partitions: 1 })
  await hub.client.send('words', [{ key: Buffer.from('k'), value: Buffer.from('{"word":"quiet","n":1}') }])
  const { page, complaints } = await openPage('/triggers')
  await page.getByRole('link', { name: 'New trigger' }).click()
  await page.getByLabel('Name').fill('shout')
  await page.getByLabel('Topics', { exact: true }).fill('words')
  await page.getByLabel('Begin with').selectOption('oldest')
  await page.getByLabel('Topic for what it returns').fill('upper')
  await page.getByLabel('Call it with').selectOption({ index: 2 })
  await page.getByLabel('Condition').fill('value.n > 1')
  await page.getByRole('button', { name: 'Try it on real records' }).click()
  await page.getByText('0 of the 1 newest records of words match.').waitFor()
  await page.getByLabel('Condition').fill('value.n == 1')
  await page.getByRole('button', { name: 'Call with the newest record of words' }).click()
  const result = page.getByRole('region', { name: 'Result' })
  await result.getByText('QUIET').waitFor()
  await result.getByText('called with 1 records').waitFor()
  await page.getByRole('textbox', { name: 'Function' }).fill('export function (')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('alert').waitFor()
  const code = (marker: string) => `export async function main_handler(event) {
  console.log('${marker}')
  return event.Records.map(({ Ckafka }) => Ckafka.msgBody.toUpperCase())
}`
  await page.getByRole('textbox', { name: 'Function' }).fill(code('first marker'))
  await page.getByRole('button', { name: 'Create' }).click()
  await page.waitForURL(/\/triggers\/shout\/activity$/)
  await eventually(async () => (await hub.client.offsets('upper', [0], 'latest')).get(0) === 1n, 1_000)

  await page.getByRole('link', { name: 'Log', exact: true }).click()
  await page.getByRole('region', { name: 'Log' }).getByText('first marker').waitFor()
  await page.getByRole('link', { name: 'Function', exact: true }).click()
  await page.getByRole('textbox', { name: 'Function' }).fill(code('second marker'))
  await page.getByRole('button', { name: 'Deploy' }).click()
  await soon(page, async () => (await page.getByText('version 2', { exact: true }).count()) === 1)
  await page.getByRole('link', { name: 'Versions', exact: true }).click()
  await page.getByLabel('Compare with').selectOption('1')
  await page.getByRole('region', { name: 'Changes since version 1' }).getByText("+ console.log('second marker')").waitFor()
  await page.getByRole('button', { name: 'Roll back to 1' }).click()
  await page.getByText('brings back version 1, runs now').waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').fill('sho')
  await page.getByRole('option', { name: 'shout trigger' }).waitFor()
  await page.keyboard.press('Escape')
  assert.deepEqual(
    // Where a whole text is replaced, Chromium itself gives the new one the style of the old one, which the CSP forbids; the editor takes it away in any case.
    complaints.filter(each => !/status of 422|status of 404|Applying inline style/.test(each)),
    [],
  )
  await page.close()
})

test('a trigger whose results go to a connector is made in the console, and what is written is not lost by a click', options, async () => {
  const { page } = await openPage('/create-trigger')
  await page.getByLabel('Name').fill('to-redis')
  await page.getByLabel('Topics', { exact: true }).fill('orders')
  await page.getByLabel('Environment').fill('GREETING=hello')
  await page.getByRole('textbox', { name: 'Function' }).fill('export const main_handler = () => process.env.GREETING')
  await page.getByLabel('What is called').selectOption('url')
  assert.equal(await page.getByLabel('Headers').inputValue(), '')
  await page.getByLabel('What is called').selectOption('javascript')
  await page.getByText('process.env.GREETING').waitFor()

  const asked: string[] = []
  page.on('dialog', dialog => {
    asked.push(dialog.message())
    void dialog.dismiss()
  })
  await page.getByRole('link', { name: 'Topics', exact: true }).click()
  assert.match(asked.join(), /is not saved/)
  assert.match(page.url(), /create-trigger$/)

  await page.getByLabel('Dead letters to').fill('upper')
  await page.getByLabel('To a connector').check()
  await page.getByLabel('Connector for what it returns').fill('redis')
  await page.getByLabel('Settings of the connector').fill('redis.uri')
  await page.getByRole('button', { name: 'Create' }).click()
  const settings = page.getByLabel('Settings of the connector')
  assert.match(await settings.evaluate(each => (each as unknown as { validationMessage: string }).validationMessage), /There is no =/)
  await settings.fill('redis.uri=redis://reader:secret@127.0.0.1:1')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('redis.uri: must not have a password').waitFor()
  await settings.fill('redis.uri=redis://127.0.0.1:1\nredis.password=secret')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.waitForURL(/\/triggers\/to-redis\/activity$/)
  assert.equal(asked.length, 1, 'what was saved is left without a question')
  await page.getByRole('link', { name: 'upper', exact: true }).waitFor()
  const { definition } = (await hub.ask('GET', '/triggers/to-redis')).body
  assert.deepEqual(definition.output, { connector: 'redis', config: { 'redis.uri': 'redis://127.0.0.1:1', 'redis.password': '[hidden]' } })
  assert.deepEqual(definition.function.environment, { GREETING: 'hello' })
  await page.getByRole('link', { name: 'Function', exact: true }).click()
  await page.getByLabel('Begin with').selectOption('oldest')
  await page.getByRole('button', { name: 'Deploy' }).click()
  await soon(page, async () => (await page.getByText('version 2', { exact: true }).count()) === 1)
  await hub.ask('DELETE', '/triggers/to-redis?confirm=to-redis')
  await page.close()
})

test('what has failed is on the first page, with a link', options, async () => {
  const { page } = await openPage('/')
  await soon(page, async () => (await page.getByText('1 of 1 tasks have failed: ').count()) === 1)
  await page.getByRole('region', { name: 'What is wrong now' }).getByRole('link', { name: 'broken' }).click()
  await page.waitForURL(/\/connectors\/broken\/status$/)
  await page.close()
})

const views: readonly View[] = [
  ['/connectors', 'next try'],
  ['/connectors/broken/status', 'What has failed, and what became of it'],
  ['/connectors/broken/config', 'Records that cannot be processed'],
  ['/connectors/broken/offsets', 'Offsets change only while it is stopped'],
  ['/create-connector', 'From another system into topics'],
  ['/create-connector?class=elasticsearch', 'connection.url'],
  ['/connectors/nothing/status', 'nothing not found'],
  ['/triggers', 'shout'],
  ['/triggers/shout/activity', 'It reads in the group'],
  ['/triggers/shout/function', 'Begin with'],
  ['/triggers/shout/versions?compare=1', 'brings back version 1'],
  ['/triggers/shout/log', 'first marker'],
  ['/create-trigger', 'It cannot be changed later'],
  ['/triggers/nothing/activity', 'there is no trigger nothing'],
]

test('every view is accessible, in light and dark, and fits a narrow screen', { skip, timeout: 6 * patienceMs }, async () => {
  const { page } = await openPage('/nowhere', { bypassCSP: true })
  assert.deepEqual(await problemsOf(page, views), [])
  await page.close()
})
