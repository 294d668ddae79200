/**
 * Builds the console's application into `dist/console/app`. With `--if-newer`, as `npm start` calls it, only if a source is newer than what was built, which
 * takes a few milliseconds to see.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Everything that the application is made of. What it has from `src` are types, of which nothing is left. */
function newestSource(): number {
  const files = readdirSync(join(root, 'console'), { withFileTypes: true, recursive: true }).filter(entry => entry.isFile())
  const paths = [...files.map(entry => join(entry.parentPath, entry.name)), join(root, 'package-lock.json')]
  return Math.max(...paths.map(path => statSync(path).mtimeMs))
}

const built = statSync(join(root, 'dist/console/app/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
if (!process.argv.includes('--if-newer') || newestSource() > built) {
  const { build } = await import('vite')
  await build({ configFile: join(root, 'console/vite.config.ts'), logLevel: 'warn' })
}
