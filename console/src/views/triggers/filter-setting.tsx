/** Which records a function is called with, and what the filter says of real ones. */
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { call } from '../../api.ts'
import { count } from '../../format.ts'
import { Button, Field, Select, TextArea } from '../../ui/button.tsx'
import { Mark } from '../../ui/mark.tsx'
import { Refused } from '../../ui/states.tsx'
import { type Definition, type Filter, sampledTopic } from './definition.ts'
import css from './form.module.css'

const sampled = 20

interface FilterSettingProps {
  definition: Definition
  change: (changes: Partial<Definition>) => void
}

export function FilterSetting({ definition, change }: FilterSettingProps) {
  const filter = definition.filter ?? null
  const kind: Kind = filter === null ? 'none' : 'cel' in filter ? 'cel' : 'patterns'
  const [text, setText] = useState(() => textOf(filter))
  const set = (next: string, nextKind = kind) => {
    setText(next)
    change({ filter: filterOf(nextKind, next) })
  }
  const topic = sampledTopic(definition)
  return (
    <fieldset className={css['group']}>
      <legend>Filter</legend>
      <Field label="Call it with">
        {id => (
          <Select id={id} value={kind} onChange={({ target: { value } }) => set(examples[value as Kind], value as Kind)}>
            <option value="none">all records</option>
            <option value="patterns">those that match a pattern, as AWS Lambda has them</option>
            <option value="cel">those for which a CEL condition holds</option>
          </Select>
        )}
      </Field>
      {kind !== 'none' && (
        <>
          <Field
            label={kind === 'cel' ? 'Condition' : 'Patterns'}
            hint={
              kind === 'cel'
                ? 'On key, value, headers, topic, partition, offset and timestamp.'
                : 'One a line; a record matches if one of them does.'
            }
          >
            {id => <TextArea id={id} rows={3} value={text} onChange={event => set(event.target.value)} />}
          </Field>
          {topic !== undefined && <TryFilter topic={topic} filter={filter} />}
        </>
      )}
    </fieldset>
  )
}

type Kind = 'none' | 'patterns' | 'cel'

const examples: Record<Kind, string> = { none: '', patterns: '{"value": {"status": ["paid"]}}', cel: 'value.total > 100' }

function textOf(filter: Filter): string {
  if (filter === null) return ''
  return 'cel' in filter ? filter.cel : filter.Filters.map(each => each.Pattern).join('\n')
}

function filterOf(kind: Kind, text: string): Filter {
  if (kind === 'none') return null
  if (kind === 'cel') return { cel: text }
  return {
    Filters: text
      .split('\n')
      .filter(each => each.trim() !== '')
      .map(Pattern => ({ Pattern })),
  }
}

function TryFilter({ topic, filter }: { topic: string; filter: Filter }) {
  const trying = useMutation({
    mutationFn: () => call('POST /trigger-filter', { body: { filter: filter as Record<string, unknown> | null, topic, records: sampled } }),
  })
  const records = trying.data?.records
  const matching = records?.filter(each => each.matches).length ?? 0
  return (
    <>
      <Button small disabled={trying.isPending} onClick={() => trying.mutate()}>
        Try it on real records
      </Button>
      {trying.error !== null && <Refused error={trying.error} />}
      {records !== undefined && trying.error === null && (
        <>
          <p role="status">
            {records.length === 0
              ? `The topic ${topic} has no records.`
              : `${matching} of the ${records.length} newest records of ${topic} match.`}
          </p>
          <ul className={css['verdicts']}>
            {[...records].reverse().map(({ partition, offset, value, matches, problem }) => (
              <li key={`${partition} ${offset}`} title={value ?? ''}>
                <Mark tone={problem !== null ? 'warn' : matches ? 'good' : 'idle'}>
                  {problem !== null ? 'unclear' : matches ? 'yes' : 'no'}
                </Mark>
                <code>{problem ?? value ?? `(no text, ${partition}:${count(offset)})`}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  )
}
