/** The functions that docs/triggers.md shows, as they stand there. */
import { readFileSync } from 'node:fs'

const page = readFileSync(new URL('../../docs/triggers.md', import.meta.url), 'utf8')

export function example(file: string): { code: string; language: 'javascript' | 'typescript' } {
  const at = page.indexOf(`\`${file}\`:`)
  const [, language, code] = /```(js|ts)\n([\s\S]*?)```/.exec(page.slice(at)) ?? []
  if (at === -1 || code === undefined) throw new Error(`docs/triggers.md shows no ${file}`)
  return { code, language: language === 'ts' ? 'typescript' : 'javascript' }
}
