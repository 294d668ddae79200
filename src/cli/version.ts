/** The version of this package, from its package.json: two folders up, in the sources and in the compiled package. */
import { createRequire } from 'node:module'

export function packageVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version
}
