/** A Chromium for tests: the one that `MILLRACE_BROWSER` names, or the one that npm brings for linux-x64. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

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
