/**
 * Writes docs/connectors/ from the definitions of the connectors: `node scripts/connectors-doc.ts`.
 *
 * What stands above the mark of a page is written by hand; what is below it, and the table of all connectors, is derived. A connector without a page gets
 * one with its summary.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { ConfigKey } from '../src/base.ts'
import type { ConnectorDefinition } from '../src/connector.ts'
import { connectors, exampleOf } from '../src/connectors.ts'

const folder = new URL('../docs/connectors/', import.meta.url)
const mark = '<!-- What follows is derived from the definition: node scripts/connectors-doc.ts -->'

/** By file name, as they should be. */
export async function connectorPages(): Promise<ReadonlyMap<string, string>> {
  const pages = new Map<string, string>()
  const rows: string[] = []
  for (const listed of connectors) {
    const definition = await listed.load()
    const name = `${listed.name}.md`
    const known = existsSync(new URL(name, folder)) ? readFileSync(new URL(name, folder), 'utf8') : ''
    const written = known.includes(mark) ? known.slice(0, known.indexOf(mark)) : `# ${listed.name}\n\n${definition.summary}\n\n`
    pages.set(name, `${written}${mark}\n\n${derived(definition)}`)
    const classes = listed.classes.map(each => `\`${each}\``).join('<br>')
    rows.push(`| [${listed.name}](${name}) | ${listed.kind} | ${definition.summary} | ${classes} |`)
  }
  const head = `# Connectors

Derived from the definitions: \`node scripts/connectors-doc.ts\`. \`connector.class\` takes the name, or a Java class that the connector stands for. Configurations of that class work, as far as
the page says; keys that would change what is written, and are not there, are refused with what to do instead. [Write your own](../write-a-connector.md).
`
  pages.set('README.md', `${head}\n| name | kind | | Java classes |\n|---|---|---|---|\n${rows.join('\n')}\n`)
  return pages
}

function derived(definition: ConnectorDefinition): string {
  const keys = Object.entries(definition.config).map(
    ([key, declared]) => `| \`${key}\` | ${typeOf(declared)} | ${defaultOf(declared)} | ${cell(declared.doc)} |`,
  )
  return `## Example\n\n\`\`\`json\n${JSON.stringify(exampleOf(definition), null, 2)}\n\`\`\`\n\n## Keys\n\n| key | value | default | |\n|---|---|---|---|\n${keys.join('\n')}\n`
}

function typeOf({ type, allowed }: ConfigKey): string {
  return type === 'PASSWORD' ? 'secret' : cell(allowed)
}

function defaultOf(declared: ConfigKey): string {
  if (declared.required) return 'required'
  if (declared.default === null) return ''
  return declared.default === '' ? 'empty' : `\`${cell(declared.default)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

if (import.meta.main) {
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of await connectorPages()) writeFileSync(new URL(name, folder), text)
}
