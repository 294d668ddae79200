/** The settings of a trigger. What is left empty has its default. */
import { type ChangeEvent, useRef } from 'react'
import { Check, Field, Input, Select } from '../../ui/button.tsx'
import { wordsIn } from '../../words.ts'
import { beginning, type CodeFunction, type Definition, envelopes, isCode, type UrlFunction } from './definition.ts'
import { FilterSetting } from './filter-setting.tsx'
import css from './form.module.css'
import { Lines } from './lines.tsx'

interface SettingsProps {
  definition: Definition
  change: (changes: Partial<Definition>) => void
}

export function Settings({ definition, change }: SettingsProps) {
  return (
    <>
      <Sources definition={definition} change={change} />
      <Called definition={definition} change={change} />
      <FilterSetting definition={definition} change={change} />
      <Results definition={definition} change={change} />
      <Batches definition={definition} change={change} />
      <Failures definition={definition} change={change} />
    </>
  )
}

function Sources({ definition: { topics, topicPattern, start = 'latest' }, change }: SettingsProps) {
  const isPattern = topicPattern !== undefined
  const kind = start === 'latest' || start === 'oldest' ? start : 'time'
  return (
    <fieldset className={css['group']}>
      <legend>Records</legend>
      <Field
        label={isPattern ? 'Pattern of topics' : 'Topics'}
        hint={isPattern ? 'All topics whose whole name matches.' : 'Several are separated by commas.'}
      >
        {id => (
          <Input
            key={String(isPattern)}
            id={id}
            defaultValue={isPattern ? topicPattern : (topics ?? []).join(', ')}
            required
            onChange={({ target: { value } }) => change(isPattern ? { topicPattern: value } : { topics: wordsIn(value) })}
          />
        )}
      </Field>
      <Check
        label="By a pattern"
        checked={isPattern}
        onChange={checked => change(checked ? { topics: undefined, topicPattern: '' } : { topics: [], topicPattern: undefined })}
      />
      <Field label="Begin with" hint="In a partition that was never read.">
        {id => (
          <Select
            id={id}
            value={kind}
            onChange={({ target: { value } }) => change({ start: value === 'time' ? new Date().toISOString() : value })}
          >
            <option value="latest">what comes from now on</option>
            <option value="oldest">the oldest record</option>
            <option value="time">a time</option>
          </Select>
        )}
      </Field>
      {kind === 'time' && (
        <Field label="Time" hint="Such as 2026-01-31T12:00:00Z.">
          {id => <Input id={id} value={start} required onChange={event => change({ start: event.target.value })} />}
        </Field>
      )}
    </fieldset>
  )
}

function Called({ definition: { function: called, envelope = 'scf' }, change }: SettingsProps) {
  const set = (changes: Partial<CodeFunction & UrlFunction>) => change({ function: { ...called, ...changes } as Definition['function'] })
  // Whoever chooses the other kind by mistake has it again.
  const latest = useRef({ code: beginning.function as CodeFunction, url: { url: '' } as UrlFunction })
  if (isCode(called)) latest.current.code = called
  else latest.current.url = called
  const choose = (kind: string) =>
    change({ function: kind === 'url' ? latest.current.url : { ...latest.current.code, language: kind as 'javascript' } })
  return (
    <fieldset className={css['group']}>
      <legend>Function</legend>
      <Field label="What is called">
        {id => (
          <Select id={id} value={isCode(called) ? (called.language ?? 'javascript') : 'url'} onChange={event => choose(event.target.value)}>
            <option value="javascript">a function in JavaScript</option>
            <option value="typescript">a function in TypeScript</option>
            <option value="url">an HTTP endpoint</option>
          </Select>
        )}
      </Field>
      {!isCode(called) && (
        <Field label="URL">
          {id => <Input id={id} type="url" value={called.url} required onChange={event => set({ url: event.target.value })} />}
        </Field>
      )}
      <Field label="Form of the event">
        {id => (
          <Select id={id} value={envelope} onChange={event => change({ envelope: event.target.value })}>
            {Object.entries(envelopes).map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {isCode(called) && (
        <div className={css['pair']}>
          <Field label="Handler">
            {id => (
              <Input
                id={id}
                value={called.handler ?? ''}
                placeholder="main_handler"
                onChange={({ target: { value } }) => set({ handler: value || undefined })}
              />
            )}
          </Field>
          <NumberField label="Memory, MB" value={called.memoryMb} usual={128} onChange={memoryMb => set({ memoryMb })} />
        </div>
      )}
      <NumberField label="Time-out, ms" value={called.timeoutMs} usual={60_000} onChange={timeoutMs => set({ timeoutMs })} />
      {isCode(called) ? (
        <Lines
          key="environment"
          label="Environment"
          hint="NAME=value, one a line. The function sees nothing else."
          values={called.environment ?? {}}
          onChange={environment => set({ environment })}
          separator="="
        />
      ) : (
        <Lines
          key="headers"
          label="Headers"
          hint="Name: value, one a line."
          values={called.headers ?? {}}
          onChange={headers => set({ headers })}
          separator=":"
        />
      )}
    </fieldset>
  )
}

interface NumberFieldProps {
  label: string
  hint?: string
  value: number | null | undefined
  usual: number | string
  min?: number
  onChange: (value: number | undefined) => void
}

function NumberField({ label, hint, value, usual, min = 0, onChange }: NumberFieldProps) {
  const change = ({ target: { value: text } }: ChangeEvent<HTMLInputElement>) => onChange(text === '' ? undefined : Number(text))
  return (
    <Field label={label} {...(hint === undefined ? {} : { hint })}>
      {id => <Input id={id} type="number" min={min} step={1} value={value ?? ''} placeholder={String(usual)} onChange={change} />}
    </Field>
  )
}

function Results({ definition: { output = null }, change }: SettingsProps) {
  const sink = output !== null && 'connector' in output ? output : null
  const written = output !== null && 'topic' in output ? output : null
  return (
    <fieldset className={css['group']}>
      <legend>Results</legend>
      {sink === null ? (
        <Field label="Topic for what it returns" hint="Empty: nowhere.">
          {id => (
            <Input
              id={id}
              value={written?.topic ?? ''}
              onChange={({ target: { value } }) => change({ output: value === '' ? null : { ...written, topic: value } })}
            />
          )}
        </Field>
      ) : (
        <>
          <Field label="Connector for what it returns" hint="Such as elasticsearch, http, jdbc, kafka-sink, mongodb or redis.">
            {id => (
              <Input
                id={id}
                value={sink.connector}
                required
                onChange={({ target: { value } }) => change({ output: { ...sink, connector: value.trim() } })}
              />
            )}
          </Field>
          <Lines
            label="Settings of the connector"
            hint="key=value, one a line. A password that is [hidden] stays as it is."
            values={sink.config ?? {}}
            onChange={config => change({ output: { ...sink, config } })}
            separator="="
          />
        </>
      )}
      <Check
        label="To a connector"
        checked={sink !== null}
        onChange={checked => change({ output: checked ? { connector: '', config: {} } : null })}
      />
      {written !== null && (
        <Check
          label="Exactly once, in a transaction"
          checked={written.exactlyOnce === true}
          onChange={exactlyOnce => change({ output: { ...written, exactlyOnce } })}
        />
      )}
    </fieldset>
  )
}

function Batches({ definition: { batchSize, maxWaitMs, concurrency = {} }, change }: SettingsProps) {
  return (
    <fieldset className={css['group']}>
      <legend>Calls</legend>
      <div className={css['pair']}>
        <NumberField label="Records of a call" value={batchSize} usual={100} min={1} onChange={value => change({ batchSize: value })} />
        <NumberField label="Wait for them, ms" value={maxWaitMs} usual={500} onChange={value => change({ maxWaitMs: value })} />
        <Field label="At once, per">
          {id => (
            <Select
              id={id}
              value={concurrency.per ?? 'partition'}
              onChange={event => change({ concurrency: { ...concurrency, per: event.target.value } })}
            >
              <option value="partition">partition</option>
              <option value="key">key</option>
            </Select>
          )}
        </Field>
        <NumberField
          label="At most"
          value={concurrency.most}
          usual={2}
          min={1}
          onChange={most => change({ concurrency: { ...concurrency, most } })}
        />
      </div>
    </fieldset>
  )
}

function Failures({ definition: { retries, maxAgeMs, bisect = false, onFailure = null }, change }: SettingsProps) {
  const target = onFailure === null ? '' : 'topic' in onFailure ? onFailure.topic : onFailure.url
  return (
    <fieldset className={css['group']}>
      <legend>Failures</legend>
      <Field
        label="Dead letters to"
        hint="A topic, or the URL of an endpoint, for records that are given up. Empty: only the log names them."
      >
        {id => (
          <Input
            id={id}
            value={target}
            onChange={({ target: { value } }) =>
              change({ onFailure: value === '' ? null : /^https?:/.test(value) ? { url: value } : { topic: value } })
            }
          />
        )}
      </Field>
      <div className={css['pair']}>
        <NumberField
          label="Retries"
          value={retries}
          usual={onFailure === null ? '10000' : '10'}
          min={-1}
          onChange={value => change({ retries: value ?? null })}
        />
        <NumberField
          label="Give up after, ms"
          value={maxAgeMs}
          usual="never"
          min={1000}
          onChange={value => change({ maxAgeMs: value ?? null })}
        />
      </div>
      <Check label="Split a batch that fails in two" checked={bisect} onChange={checked => change({ bisect: checked })} />
    </fieldset>
  )
}
