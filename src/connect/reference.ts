/** The reference page of converters, transforms and predicates, from their declarations. */
import type { ConfigKey, Declarations } from '../base.ts'
import { converterClasses } from './converters.ts'
import { transformClasses } from './transforms.ts'

interface Entry {
  readonly names: readonly string[]
  readonly summary: string
  readonly keys: Declarations
}

/** In Markdown. */
export function pluginReference(): string {
  const converters = converterClasses().map(({ name, short, ...rest }) => ({ names: [name, short], ...rest }))
  return `# Converters, transforms and predicates: all keys

Written from the declarations by \`node scripts/connect-plugins-doc.ts\`. What they do together is in [connect-transforms.md](connect-transforms.md).

## Converters

Keys stand under \`key.converter.\`, \`value.converter.\` or \`header.converter.\`.

${converters.map(entry).join('\n')}
## Transforms

Keys stand under \`transforms.ALIAS.\`; besides, each has \`type\`, \`predicate\` (an alias) and \`negate\`.

${sided(transformClasses('transforms')).map(entry).join('\n')}
## Predicates

Keys stand under \`predicates.ALIAS.\`.

${sided(transformClasses('predicates')).map(entry).join('\n')}`
}

/** The forms `$Key` and `$Value` of one transform are one entry. */
function sided(classes: readonly (Omit<Entry, 'names'> & { readonly name: string })[]): Entry[] {
  const entries = new Map<string, Entry>()
  for (const { name, ...rest } of classes) {
    const plain = name.replace(/\$\w+$/, '')
    entries.set(plain, { ...rest, names: [...(entries.get(plain)?.names ?? []), name] })
  }
  return [...entries.values()]
}

function entry({ names, summary, keys }: Entry): string {
  const title = names[0]!.replace(/\$\w+$/, '')
  const head = `### ${title.slice(title.lastIndexOf('.') + 1)}\n\n${names.map(name => `\`${name}\``).join(', ')}: ${summary}.\n`
  const rows = Object.entries(keys).map(([name, key]) => row(name, key))
  if (rows.length === 0) return head
  return `${head}\n| key | default | allowed | |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

function row(name: string, { default: fallback, required, allowed, doc }: ConfigKey): string {
  const shown = required ? 'required' : fallback === null ? '' : `\`${fallback === '' ? ' ' : fallback}\``
  return `| \`${name}\` | ${shown} | ${cell(allowed)} | ${cell(doc)} |`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
