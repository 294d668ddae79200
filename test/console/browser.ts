/** A Chromium for tests: the one that `MILLRACE_BROWSER` names, or the one that npm brings for linux-x64. */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

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
