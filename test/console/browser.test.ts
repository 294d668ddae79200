/** What a person does first, in a real browser: create a topic, watch it live, produce, and see the record arrive. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'
import { openBrowser } from './browser.ts'

const repository = join(import.meta.dirname, '../..')
const patienceMs = 60_000
const browser: Browser | string = await openBrowser()
const skip = typeof browser === 'string' ? browser : false

let broker: Millrace
let services: RunningServices
let base: string

before(async () => {
  if (skip !== false) return
  execFileSync(process.execPath, [join(repository, 'scripts/build-console.ts'), '--if-newer'])
  broker = await startBroker({ memory: true })
  services = await startServices(settingsFor(broker.address, { services: ['console'] }), realSystem(), silentLogger)
  base = `http://127.0.0.1:${services.ports.get('console')}`
})
after(async () => {
  if (typeof browser === 'string') return
  await browser.close()
  await services.close()
  await broker.close()
})

/** A page, and what it complained of. */
async function openPage(): Promise<{ page: Page; complaints: string[] }> {
  const page = await (browser as Browser).newPage()
  page.setDefaultTimeout(patienceMs)
  const complaints: string[] = []
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  return { page, complaints }
}

test('a topic is created, a record is produced, and seen live', { skip, timeout: 3 * patienceMs }, async () => {
  const { page, complaints } = await openPage()
  await page.goto(`${base}/topics`)
  await page.getByRole('button', { name: 'Create topic' }).first().click()
  await page.getByLabel('Name', { exact: true }).fill('orders')
  await page.getByLabel('Partitions').fill('2')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByRole('heading', { name: 'There are no records here' }).waitFor()
  assert.match(page.url(), /\/topics\/orders\/messages$/)

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

interface AxeWindow {
  axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
}

test('every view is accessible, in light and dark', { skip, timeout: 6 * patienceMs }, async () => {
  const context = await (browser as Browser).newContext({ bypassCSP: true })
  const page = await context.newPage()
  const axe = readFileSync(join(repository, 'node_modules/axe-core/axe.min.js'), 'utf8')
  const views: readonly [path: string, shows: string][] = [
    ['/', 'Brokers'],
    ['/topics', 'in sync'],
    ['/topics/orders/messages?open=0%3A0', 'u-1'],
    ['/topics/orders/partitions', 'in sync'],
    ['/topics/orders/config?all=true', 'cleanup.policy'],
    ['/groups', 'There are no groups yet'],
    ['/groups/nobody/lag', 'GROUP_ID_NOT_FOUND'],
  ]
  const problems: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const [path, shows] of views) {
      await page.goto(`${base}${path}`)
      await page.getByText(shows).first().waitFor({ timeout: patienceMs })
      await page.evaluate(axe)
      const { violations } = await page.evaluate(() =>
        (globalThis as unknown as AxeWindow).axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }),
      )
      for (const { id, nodes } of violations) problems.push(`${colorScheme} ${path}: ${id} at ${nodes[0]!.html.slice(0, 200)}`)
    }
  }
  assert.deepEqual(problems, [])
  await context.close()
})
