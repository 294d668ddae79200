/** Writes docs/connect-plugins.md from the declarations of converters, transforms and predicates: `node scripts/connect-plugins-doc.ts`. */
import { writeFileSync } from 'node:fs'
import { pluginReference } from '../src/connect.ts'

export const page = new URL('../docs/connect-plugins.md', import.meta.url)

if (import.meta.main) writeFileSync(page, pluginReference())
