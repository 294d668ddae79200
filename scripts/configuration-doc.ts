/** Writes docs/configuration.md from the declarations of the configuration: `node scripts/configuration-doc.ts`. */
import { writeFileSync } from 'node:fs'
import { configurationReference } from '../src/broker.ts'

export const page = new URL('../docs/configuration.md', import.meta.url)

if (import.meta.main) writeFileSync(page, configurationReference())
