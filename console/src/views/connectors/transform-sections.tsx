/** Transforms and predicates: each has an alias, and under it keys of its own. */
import { useQuery } from '@tanstack/react-query'
import { asked } from '../../api.ts'
import { Button, Select } from '../../ui/button.tsx'
import { wordsIn } from '../../words.ts'
import css from './form.module.css'
import { KeySection, type SectionProps } from './form.tsx'
import { type AliasSection, shortClass } from './keys.ts'

const families = [
  { family: 'transforms', title: 'Transforms', one: 'transform' },
  { family: 'predicates', title: 'Predicates', one: 'predicate' },
] as const

export function TransformSections({ aliases, ...own }: SectionProps & { aliases: readonly AliasSection[] }) {
  const plugins = useQuery({ ...asked('GET /connector-plugins', {}), staleTime: 60_000 })
  const { config, change } = own.draft
  return families.map(({ family, title, one }) => {
    const names = wordsIn(config[family] ?? '')
    const add = (className: string) => {
      const alias = aliasFor(className, names)
      change({ [family]: [...names, alias].join(','), [`${family}.${alias}.type`]: className }, true)
    }
    const remove = (alias: string) => {
      const gone = Object.keys(config).filter(key => key.startsWith(`${family}.${alias}.`))
      const left = names.filter(each => each !== alias).join(',')
      change({ ...Object.fromEntries(gone.map(key => [key, ''])), [family]: left }, true)
    }
    // They are applied in this order.
    const moveUp = (alias: string) => {
      const at = names.indexOf(alias)
      change({ [family]: [...names.slice(0, at - 1), alias, names[at - 1]!, ...names.slice(at + 1)].join(',') }, true)
    }
    return (
      <fieldset key={family} className={css['section']}>
        <legend>{title}</legend>
        {aliases
          .filter(each => each.family === family)
          .sort((a, b) => names.indexOf(a.alias) - names.indexOf(b.alias))
          .map((section, at) => (
            <div key={section.alias} className={css['alias']}>
              <KeySection section={{ ...section, title: `${at + 1}. ${section.alias}` }} {...own} />
              <span className={css['remove']}>
                {family === 'transforms' && at > 0 && (
                  <Button small onClick={() => moveUp(section.alias)} aria-label={`Move the ${one} ${section.alias} up`}>
                    Up
                  </Button>
                )}
                <Button small onClick={() => remove(section.alias)} aria-label={`Remove the ${one} ${section.alias}`}>
                  Remove
                </Button>
              </span>
            </div>
          ))}
        <Select aria-label={`Add a ${one}`} value="" onChange={event => add(event.target.value)}>
          <option value="">{`Add a ${one}…`}</option>
          {(plugins.data?.[family] ?? []).map(each => (
            <option key={each} value={each}>
              {shortClass(each)}
            </option>
          ))}
        </Select>
      </fieldset>
    )
  })
}

/** `ReplaceField$Value` is `replaceField`, and a second one `replaceField2`. */
function aliasFor(className: string, taken: readonly string[]): string {
  const name = shortClass(className).replace(/\$.*$/, '')
  const base = `${name[0]!.toLowerCase()}${name.slice(1)}`
  for (let n = 1; ; n++) {
    const alias = n === 1 ? base : `${base}${n}`
    if (!taken.includes(alias)) return alias
  }
}
