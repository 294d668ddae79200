/** The login page in a real browser: what a person sees who is not logged in, may do little, and leaves again. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { realSystem } from '../../src/base.ts'
import { type AclOperation, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startServices } from '../../src/services.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import { accessible, buildConsole, loadAxe, openBrowser, violationsOf } from './browser.ts'

const patienceMs = 60_000
const browser: Browser | string = await openBrowser()
const skip = typeof browser === 'string' ? browser : false
after(async () => {
  if (typeof browser !== 'string') await browser.close()
})

test('a person logs in, comes to the view that was asked for, sees no button that would be refused, and logs out', {
  skip,
  timeout: 4 * patienceMs,
}, async t => {
  buildConsole()
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
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const services = await startServices(
    settingsFor(bootstrap, { services: ['console'], properties, ownProperties }),
    realSystem(),
    silentLogger,
  )
  t.after(() => services.close())
  const base = `http://127.0.0.1:${services.ports.get('console')}`
  const page = await (browser as Browser).newPage({ bypassCSP: true })
  page.setDefaultTimeout(patienceMs)
  const errors: string[] = []
  page.on('pageerror', error => errors.push(error.message))

  await page.goto(`${base}/groups/billing/lag`)
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
  await logIn('alice', 'alice-pw')
  await page.getByRole('heading', { name: 'billing' }).waitFor()
  assert.equal(new URL(page.url()).pathname, '/groups/billing/lag')
  await page.getByText('alice', { exact: true }).waitFor()
  await page.waitForLoadState('networkidle')
  assert.equal(await page.getByRole('button', { name: 'Reset offsets' }).count(), 0)
  assert.equal(await page.getByRole('button', { name: 'Delete' }).count(), 0)
  assert.deepEqual(await page.evaluate('[document.cookie, JSON.stringify(localStorage)]'), ['', '{}'], 'scripts see nothing of the login')

  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('heading', { name: 'Log in to Millrace' }).waitFor()
  await logIn('admin', 'admin-pw')
  await page.getByRole('button', { name: 'Log out' }).waitFor()
  await page.goto(`${base}/groups/billing/lag`)
  await page.getByRole('button', { name: 'Reset offsets' }).waitFor()
  await page.context().clearCookies()
  await page.getByRole('heading', { name: 'Log in to Millrace' }).waitFor()
  assert.deepEqual(errors, [])
})
