/** A Chromium for tests: the one that `MILLRACE_BROWSER` names, or the one that npm brings for linux-x64. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { System } from '../../src/base.ts'
import { eventually } from '../cluster/two-brokers.ts'

const repository = join(import.meta.dirname, '../..')

/** What a function in a cloud needs: with one process the browser ends with its first page, and without web security it allows what others refuse. */
const unwanted = new Set(['--single-process', '--no-zygote', '--disable-web-security'])

/** Or why there is none, in one line. */
export async function openBrowser(): Promise<Browser | string> {
  try {
    const named = process.env['MILLRACE_BROWSER']
    if (named !== undefined) return await chromium.launch({ executablePath: named })
    if (process.platform !== 'linux' || process.arch !== 'x64')
      return 'no browser comes by npm for this machine; MILLRACE_BROWSER=/path/to/chromium names one'
    const { default: packed } = await import('@sparticuz/chromium')
    const executablePath = await packed.executablePath()
    if (!existsSync(executablePath)) return `there is no ${executablePath}; MILLRACE_BROWSER=/path/to/chromium names another browser`
    return await chromium.launch({ executablePath, args: packed.args.filter(each => !unwanted.has(each)) })
  } catch (error) {
    return `the browser does not start (${(error as Error).message.split('\n', 1)[0]}); MILLRACE_BROWSER=/path/to/chromium names another one`
  }
}

/** The application, unless it is as new as its sources. */
export function buildConsole(): void {
  execFileSync(process.execPath, [join(repository, 'scripts/build-console.ts'), '--if-newer'])
}

interface AxeWindow {
  axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
}

const axe = readFileSync(join(repository, 'node_modules/axe-core/axe.min.js'), 'utf8')
export const accessible = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']

/** Before its violations are asked for. */
export async function loadAxe(page: Page): Promise<void> {
  await page.evaluate(axe)
}

export async function violationsOf(page: Page, rules: object) {
  const { violations } = await page.evaluate(
    runOnly => (globalThis as unknown as AxeWindow).axe.run({ runOnly, resultTypes: ['violations'] }),
    rules,
  )
  return violations
}

/** The services look at groups every ten seconds, for which no test waits. */
export function withQuickLooks(system: System): System {
  const isLook = (ms: number) => ms > 9_000 && ms <= 10_000
  const { timers } = system
  return { ...system, timers: { after: (ms, run) => timers.after(isLook(ms) ? 1_000 : ms, run), soon: timers.soon } }
}

export const patienceMs = 120_000

/** A page, and what it complained of. Its clock is put forward where the page itself would wait. */
export async function openPage(
  browser: Browser,
  url: string,
  context: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage(context)
  page.setDefaultTimeout(patienceMs)
  await page.clock.install()
  const complaints: string[] = []
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  await page.goto(url)
  return { page, complaints }
}

/** The page asks for news every so many seconds. */
export function soon(page: Page, done: () => Promise<boolean>): Promise<true> {
  return eventually(async () => {
    if (await done()) return true
    await page.clock.fastForward(10_000)
    return false
  }, 1_000)
}

/** Another place of the application, as a click on a link leads there: without loading the page again. */
export function visit(page: Page, path: string): Promise<unknown> {
  return page.evaluate(`history.pushState({}, '', ${JSON.stringify(path)})`)
}

/** Nothing that a view shows is on the one before it. */
export type View = readonly [path: string, shows: string]

/** Colours change with a transition, and axe reads them as they are. */
const colorsSettled = `Promise.allSettled(
  document.getAnimations().filter(each => each instanceof CSSTransition).map(each => each.finished))`
const excessOf = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

/** What keeps somebody from using these views: in light and dark, and on a narrow screen. `page`: of the application, without its CSP. */
export async function problemsOf(page: Page, views: readonly View[]): Promise<string[]> {
  await loadAxe(page)
  const problems: string[] = []
  const run = async (path: string, how: string, rules: object) => {
    for (const { id, nodes } of await violationsOf(page, rules)) problems.push(`${how} ${path}: ${id} at ${nodes[0]!.html.slice(0, 200)}`)
  }
  for (const [path, shows] of views) {
    await visit(page, path)
    await page.getByText(shows).first().waitFor()
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
    await page.emulateMedia({ colorScheme: 'light' })
    await page.evaluate(colorsSettled)
  }
  return problems
}
