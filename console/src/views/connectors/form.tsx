/** A configuration as a form, with what the worker says about it. */
import { useMutation } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { Button, Input } from '../../ui/button.tsx'
import { FormFooter } from '../../ui/form-footer.tsx'
import { Failed, Loading } from '../../ui/states.tsx'
import { useUnsaved } from '../../ui/unsaved.ts'
import { type Config, check, type Draft, useCheck, useDraft, withName } from './draft.ts'
import { KeyField } from './field.tsx'
import css from './form.module.css'
import { type Checked, isShownAtFirst, type Section, sectionsOf, shortClass, unknownKeys } from './keys.ts'
import { Preview } from './preview.tsx'
import { TransformSections } from './transform-sections.tsx'

const Editor = lazy(() => import('../../ui/editor.tsx'))

interface ConnectorFormProps {
  /** null: it is to be chosen. */
  name: string | null
  className: string
  summary?: string | null
  config: Config
  action: string
  onSave: (name: string, config: Config) => Promise<void>
}

export function ConnectorForm({ name: given, className, summary = null, config: before, action, onSave }: ConnectorFormProps) {
  const [name, setName] = useState(given ?? '')
  const [isText, setIsText] = useState(false)
  /** Of the text. */
  const [problem, setProblem] = useState<string | null>(null)
  const form = useRef<HTMLFormElement>(null)
  const [previews, setPreviews] = useState(before['transforms'] !== undefined)
  const draft = useDraft(before)
  const checked = useCheck(className, withName(name, className, draft.settled))
  const saving = useMutation({
    async mutationFn() {
      if (problem !== null) throw new Error(`${problem} Nothing was saved.`)
      draft.settle()
      const whole = withName(name, className, draft.config)
      const { errors } = await check(className, whole)
      if (errors > 0) throw new Error(`${errors === 1 ? 'One value is' : `${errors} values are`} not right. Nothing was saved.`)
      await onSave(name, whole)
    },
  })
  useUnsaved((draft.isChanged || problem !== null) && !saving.isPending && !saving.isSuccess)
  const refused = saving.error
  const shown = useRef(refused)
  // Once: who goes on writing is not called back.
  useEffect(() => {
    if (refused === null || refused === shown.current || checked.isFetching) return
    shown.current = refused
    form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [refused, checked.isFetching])
  // What was written stays, also while the worker is away, or when it does not like what it was asked.
  const latest = useRef(checked.data)
  latest.current = checked.data ?? latest.current
  if (latest.current === undefined)
    return checked.isError ? (
      <Failed error={checked.error} retry={() => void checked.refetch()} needs="ALTER on the cluster" />
    ) : (
      <Loading />
    )
  return (
    <form
      ref={form}
      className={css['form']}
      onSubmit={event => {
        event.preventDefault()
        saving.mutate()
      }}
    >
      <div className={css['scroll']}>
        <div className={css['keys']}>
          {summary !== null && <p className={css['summary']}>{sentence(summary)}</p>}
          {given === null && <Name value={name} onChange={setName} />}
          {isText ? (
            <AsText config={draft.config} {...{ problem, setProblem }} onChange={draft.replace} />
          ) : (
            <Keys checked={latest.current} className={className} draft={draft} />
          )}
        </div>
      </div>
      {previews && (
        <Preview
          className={className}
          isSource={latest.current.keys.every(each => each.name !== 'topics.regex')}
          config={withName(name, className, draft.settled)}
          close={() => setPreviews(false)}
        />
      )}
      <FormFooter error={refused ?? checked.error}>
        {!previews && <Button onClick={() => setPreviews(true)}>Preview on real records</Button>}
        <Button
          onClick={() => {
            setIsText(!isText)
            setProblem(null)
            draft.settle()
          }}
        >
          {isText ? 'As a form' : 'As JSON'}
        </Button>
        <Button type="submit" kind="main" disabled={saving.isPending || name === ''}>
          {action}
        </Button>
      </FormFooter>
    </form>
  )
}

function Name({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <div className={`${css['section']} ${css['alone']}`}>
      <div className={css['field']}>
        <div className={css['about']}>
          <label htmlFor="connector-name">name&thinsp;*</label>
          <p className={css['doc']}>Of the connector. It cannot be changed later.</p>
        </div>
        <div className={css['value']}>
          <Input
            id="connector-name"
            value={value}
            required
            maxLength={200}
            placeholder="orders-to-archive"
            onChange={event => onChange(event.target.value)}
            autoFocus
          />
        </div>
      </div>
    </div>
  )
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
}

interface KeysProps {
  checked: Checked
  className: string
  draft: Draft
}

function Keys({ checked, className, draft }: KeysProps) {
  const { sections, aliases } = sectionsOf(checked, shortClass(className))
  const at = sections.findIndex(each => each.title === 'Records that cannot be processed')
  const split = at < 0 ? sections.length : at
  const own = { draft }
  return (
    <>
      {sections.slice(0, split).map(each => (
        <KeySection key={each.title} section={each} {...own} />
      ))}
      <TransformSections aliases={aliases} {...own} />
      {sections.slice(split).map(each => (
        <KeySection key={each.title} section={each} {...own} />
      ))}
      <Others keys={unknownKeys(checked, draft.config)} {...own} />
    </>
  )
}

export interface SectionProps {
  draft: Draft
}

export function KeySection({ section: { title, keys }, draft }: SectionProps & { section: Section }) {
  const [all, setAll] = useState(false)
  const shown = keys.filter(each => all || isShownAtFirst(each, draft.config))
  const more = keys.length - shown.length
  return (
    <fieldset className={css['section']}>
      <legend>{title}</legend>
      {shown.map(each => (
        <KeyField
          key={each.name}
          declared={each}
          value={draft.config[each.name] ?? ''}
          tells={draft.tells(each.name)}
          onChange={value => draft.change({ [each.name]: value }, each.type === 'BOOLEAN')}
          onDone={() => draft.touch(each.name)}
        />
      ))}
      {more > 0 && (
        <Button small kind="quiet" className={css['more']!} onClick={() => setAll(true)}>
          {more === 1 ? 'One more key' : `${more} more keys`}
        </Button>
      )}
    </fieldset>
  )
}

/** Names tell, as they tell the worker. */
const secret = /password|secret|jaas\.config|user\.info|credential|token$/i

/** Such as those of the clients; the worker passes them on. */
function Others({ keys, draft }: SectionProps & { keys: readonly string[] }) {
  const [added, setAdded] = useState<readonly string[]>([])
  const [name, setName] = useState('')
  const add = () => {
    setAdded([...added, name.trim()])
    setName('')
  }
  return (
    <fieldset className={css['section']}>
      <legend>Other keys</legend>
      {[...new Set([...keys, ...added])].map(key => (
        <div key={key} className={css['field']}>
          <label htmlFor={`other-${key}`} className={css['about']}>
            {key}
          </label>
          <Input
            id={`other-${key}`}
            {...(secret.test(key) && { type: 'password', autoComplete: 'new-password' })}
            value={draft.config[key] ?? ''}
            onChange={event => draft.change({ [key]: event.target.value })}
            onBlur={() => draft.touch(key)}
          />
        </div>
      ))}
      <div className={css['adding']}>
        <Input
          aria-label="Another key"
          placeholder="consumer.override.max.poll.records"
          value={name}
          onChange={event => setName(event.target.value)}
        />
        <Button small onClick={add} disabled={name.trim() === ''}>
          Add
        </Button>
      </div>
    </fieldset>
  )
}

interface AsTextProps {
  config: Config
  /** What is wrong with the text; the configuration is as it was before. */
  problem: string | null
  setProblem: (problem: string | null) => void
  onChange: (config: Config) => void
}

/** Pasted configurations may have the form that Kafka Connect's own API takes. */
function AsText({ config, problem, setProblem, onChange }: AsTextProps) {
  const read = (text: string) => {
    try {
      onChange(configIn(text))
      setProblem(null)
    } catch (error) {
      setProblem(sentence((error as Error).message))
    }
  }
  return (
    <>
      <Suspense fallback={<div className={css['waiting']} />}>
        <Editor size="text" label="Configuration" value={JSON.stringify(config, null, 2)} onChange={read} />
      </Suspense>
      {problem !== null && (
        <p role="alert" className={css['errors']}>
          {problem}
        </p>
      )}
    </>
  )
}

/** Throws Error. */
function configIn(text: string): Config {
  const parsed = JSON.parse(text) as unknown
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('A JSON object with the keys is expected.')
  const inner = (parsed as { config?: unknown }).config
  const values = typeof inner === 'object' && inner !== null ? inner : parsed
  const { name: _, ...rest } = values as Record<string, unknown>
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, textIn(key, value)]))
}

/** Throws Error. */
function textIn(key: string, value: unknown): string {
  if (typeof value === 'object' && value !== null) throw new Error(`The value of ${key} must be a text, a number, true, false or null.`)
  return value === null ? '' : String(value)
}
