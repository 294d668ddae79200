/** Takes the pictures of docs/console.md: a broker with a small shop in it, and a browser that looks at it. `npm run pictures` */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { realSystem } from '../src/base.ts'
import { openClient } from '../src/client.ts'
import { silentLogger } from '../src/logger.ts'
import { startBroker } from '../src/millrace.ts'
import { startServices } from '../src/services.ts'
import { buildConsole, openBrowser } from '../test/console/browser.ts'
import { fillSample } from '../test/console/sample.ts'
import { authorizer } from '../test/security/support.ts'
import { settingsFor } from '../test/services/settings.ts'

const directory = join(import.meta.dirname, '../docs/console')

interface Picture {
  name: string
  path: string
  dark?: boolean
  narrow?: boolean
  /** What is there when the picture may be taken. */
  shows: string
}

const pictures: readonly Picture[] = [
  { name: 'overview', path: '/', shows: 'Records in' },
  { name: 'messages', path: '/topics/orders/messages?cel=value.total%20%3E%2080&open=3%3A106', shows: 'Tree', dark: true },
  { name: 'lag', path: '/groups/billing/lag', shows: 'Lag of the last hour' },
  { name: 'schema', path: '/schemas/users-value?against=1', shows: '"email"' },
  { name: 'access', path: '/security/acls', shows: 'May they, and why?', dark: true },
  { name: 'narrow', path: '/topics/users/messages', shows: 'name 19', narrow: true },
]

buildConsole()
const browser = await openBrowser()
if (typeof browser === 'string') throw new Error(browser)
const broker = await startBroker({ memory: true, config: authorizer })
const settings = settingsFor(broker.address, { services: ['registry', 'console'] })
const services = await startServices(settings, realSystem(), silentLogger)
const client = openClient({ bootstrap: broker.address })
await fillSample(client, `http://127.0.0.1:${services.ports.get('registry')}`, Date.now())
await client.createAcls(
  (['READ', 'WRITE'] as const).flatMap(operation =>
    ['alice', 'billing'].map(user => ({
      ...{ resourceType: 'TOPIC' as const, resourceName: user === 'alice' ? 'orders' : 'pay', operation, permission: 'ALLOW' as const },
      ...{ patternType: user === 'alice' ? ('LITERAL' as const) : ('PREFIXED' as const), principal: `User:${user}`, host: '*' },
    })),
  ),
)
mkdirSync(directory, { recursive: true })
for (const picture of pictures) await take(picture)
await browser.close()
await client.close()
await services.close()
await broker.close()

async function take({ name, path, dark = false, narrow = false, shows }: Picture): Promise<void> {
  const viewport = narrow ? { width: 360, height: 640 } : { width: 1100, height: 640 }
  const page: Page = await (browser as Exclude<typeof browser, string>).newPage({ viewport, colorScheme: dark ? 'dark' : 'light' })
  await page.goto(`http://127.0.0.1:${services.ports.get('console')}${path}`)
  await page.getByText(shows).first().waitFor({ timeout: 120_000 })
  // Until what was loaded is drawn.
  await page.waitForTimeout(1_000)
  await page.screenshot({ path: join(directory, `${name}.png`) })
  await page.close()
}
