/** Each view of the console in a real browser over a real Apache Kafka: it shows something, and nothing goes wrong. */
import assert from 'node:assert/strict'
import type { Browser, Page } from 'playwright-core'
import { openBrowser } from '../../test/console/browser.ts'
import { type Cases, unique, until } from '../support/kit.ts'
import type { Using } from '../support/services.ts'
import { ok } from './ask.ts'

export function browserWalk(using: Using): Cases {
  return {
    'console/every-view': () =>
      using(['console', 'registry', 'rest'], async ({ urls }) => {
        const browser = await openBrowser()
        if (typeof browser === 'string') throw new Error(browser)
        try {
          await walk(browser, urls)
        } finally {
          await browser.close()
        }
      }),
  }
}

async function walk(browser: Browser, urls: { console: string; registry: string; rest: string }): Promise<void> {
  const api = `${urls.console}/api`
  const [topic, group] = [unique('walk'), unique('walkers')]
  await ok('POST', `${api}/topics`, { name: topic, partitions: 3 })
  for (let n = 0; n < 5; n++) await ok('POST', `${api}/topics/${topic}/messages`, { key: { text: `${n}` }, value: { text: `{"n":${n}}` } })
  await ok('POST', `${urls.registry}/subjects/${topic}-value/versions`, { schema: '"long"' })
  const { base_uri: uri } = await ok('POST', `${urls.rest}/consumers/${group}`, {
    name: 'c',
    format: 'json',
    'auto.offset.reset': 'earliest',
  })
  await ok('POST', `${uri}/subscription`, { topics: [topic] })
  await until(
    () => 'the reader has something',
    async () => (await ok('GET', `${uri}/records`)).length > 0,
  )
  const [{ id: broker }] = (await ok('GET', `${api}/session`)).brokers
  const ofTopic = ['messages', 'partitions', 'config', 'groups', 'schema', 'acl'].map(tab => `/topics/${topic}/${tab}`)
  const ofGroup = ['lag', 'members', 'offsets', 'history'].map(tab => `/groups/${group}/${tab}`)
  const others = [
    '/security/acls',
    '/security/users',
    '/security/quotas',
    '/security/tokens',
    '/transactions',
    '/client-metrics',
    '/settings',
  ]
  const page = await browser.newPage()
  const wrong: string[] = []
  let path = ''
  page.on('pageerror', error => wrong.push(`${path}: ${error.message}`))
  page.on('response', response => {
    if (response.status() >= 500) wrong.push(`${path}: ${response.status()} ${response.url()}`)
  })
  for (path of [
    ...['/', '/topics', ...ofTopic, '/groups', ...ofGroup, '/schemas', `/schemas/${topic}-value`, '/brokers', `/brokers/${broker}`],
    ...others,
  ]) {
    await page.goto(urls.console + path)
    for (const text of await alertsOf(page)) if (!isTrue(path, text)) wrong.push(`${path}: ${text}`)
  }
  assert.deepEqual(wrong, [])
  await page.goto(`${urls.console}/topics/${topic}/messages`)
  let shown = ''
  await until(
    () => `the last message is shown, and not ${shown.replace(/\s+/g, ' ').slice(-300)}`,
    async () => /"n"\s*:\s*4/.test((shown = await page.locator('main').innerText())),
  )
  await page.goto(`${urls.console}/groups/${group}/members`)
  await page.getByText(topic).first().waitFor({ timeout: 30_000 })
  await ok('DELETE', uri)
}

/** Kafka gives tokens only to those who have logged in. */
function isTrue(path: string, text: string): boolean {
  return path === '/security/tokens' && text.includes('DELEGATION_TOKEN_REQUEST_NOT_ALLOWED')
}

/** Once the view has something to show. */
async function alertsOf(page: Page): Promise<string[]> {
  await page.locator('main h1, main h2').first().waitFor({ timeout: 30_000 })
  await page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => {})
  return page.getByRole('alert').allInnerTexts()
}
