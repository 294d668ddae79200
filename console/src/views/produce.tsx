/** The button that produces a record, and its form; also with what another record has. */
import { useQueryClient } from '@tanstack/react-query'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { call, type Input as InputOf } from '../api.ts'
import { Button, Check, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { announceProduced, type ShownBytes, type ShownRecord } from './messages-stream.ts'
import css from './produce.module.css'

const Editor = lazy(() => import('../ui/editor.tsx'))

/** How a text becomes bytes. */
const forms = {
  text: 'Text',
  json: 'JSON',
  avro: 'Avro, by schema',
  jsonschema: 'JSON Schema, by schema',
  protobuf: 'Protobuf, by schema',
  msgpack: 'MessagePack',
  cbor: 'CBOR',
  base64: 'Base64',
} as const
type Form = keyof typeof forms

interface Part {
  text: string
  form: Form
  /** As of the record that is produced again. */
  schema: ShownBytes['schema']
}

interface Draft {
  key: Part
  value: Part
  /** A key of no bytes is not the same as none. */
  tombstone: boolean
  partition: string
  headers: { key: string; value: Part }[]
}

const blankPart: Part = { text: '', form: 'text', schema: null }
const blank: Draft = { key: blankPart, value: blankPart, tombstone: false, partition: '', headers: [] }

type Bytes = InputOf<'POST /topics/:topic/messages'>['body']['key']

function bytesOf({ text, form, schema }: Part): Bytes {
  if (form === 'text') return { text }
  if (form === 'base64') return { base64: text.replace(/\s/g, '') }
  const by =
    schema === null
      ? {}
      : {
          ...(schema.id === null ? {} : { id: schema.id }),
          ...(form === 'protobuf' && schema.name !== null ? { message: schema.name } : {}),
        }
  return { json: text, serde: form, ...by }
}

function partOf(shown: ShownBytes | null): Part {
  if (shown === null) return blankPart
  if (shown.form === 'base64') return { text: shown.text, form: 'base64', schema: null }
  const form = shown.serde !== null && shown.serde in forms ? (shown.serde as Form) : 'text'
  return { text: shown.text, form, schema: shown.schema }
}

export function Produce({ topic, partitions }: { topic: string; partitions: number }) {
  return <ProduceDialog topic={topic} partitions={partitions} draft={blank} trigger={<Button>Produce</Button>} />
}

/** `record`: none of it cut. */
export function ProduceAgain({ topic, record: { key, value, headers } }: { topic: string; record: ShownRecord }) {
  const draft: Draft = {
    key: partOf(key),
    value: partOf(value),
    tombstone: value === null,
    partition: '',
    headers: headers.map(each => ({ key: each.key, value: partOf(each.value) })),
  }
  return <ProduceDialog topic={topic} draft={draft} trigger={<Button small>Produce again…</Button>} />
}

interface DialogProps {
  topic: string
  /** undefined: not known. */
  partitions?: number
  draft: Draft
  trigger: ReactNode
}

function ProduceDialog({ topic, trigger, ...rest }: DialogProps) {
  const [open, setOpen] = useState(false)
  return (
    <Dialog title={`Produce to ${topic}`} trigger={trigger} open={open} onOpenChange={setOpen} wide>
      <ProduceForm topic={topic} {...rest} />
    </Dialog>
  )
}

function ProduceForm({ topic, partitions, draft: first }: Omit<DialogProps, 'trigger'>) {
  const [draft, setDraft] = useState(first)
  const [stored, setStored] = useState<string | null>(null)
  const queries = useQueryClient()
  const set = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes })
  const produce = async () => {
    const { key, value, tombstone, partition, headers } = draft
    const body = {
      key: key.text === '' ? null : bytesOf(key),
      value: tombstone ? null : bytesOf(value),
      headers: headers.filter(each => each.key !== '').map(each => ({ key: each.key, value: bytesOf(each.value) })),
      ...(partition === '' ? {} : { partition: Number(partition) }),
    }
    const placed = await call('POST /topics/:topic/messages', { params: { topic }, body })
    setStored(`Stored in partition ${placed.partition} at offset ${placed.offset}.`)
    announceProduced(topic)
    await queries.invalidateQueries({ queryKey: ['GET /topics/:topic', { params: { topic } }] })
  }
  return (
    <DialogForm onSubmit={produce} action={stored === null ? 'Produce' : 'Produce another'} done={stored !== null}>
      <div className={css['pair']}>
        <Field label="Key">
          {id => (
            <Input
              id={id}
              value={draft.key.text}
              placeholder="none"
              onChange={event => set({ key: { ...draft.key, text: event.target.value } })}
            />
          )}
        </Field>
        <FormChoice label="Key is" part={draft.key} onChange={key => set({ key })} />
        <Field label="Partition">
          {id => (
            <Input
              id={id}
              type="number"
              min={0}
              {...(partitions === undefined ? {} : { max: partitions - 1 })}
              value={draft.partition}
              placeholder="by key"
              onChange={event => set({ partition: event.target.value })}
            />
          )}
        </Field>
      </div>
      <div className={css['value']}>
        <div className={css['head']}>
          <strong>Value</strong>
          <Check label="None (a tombstone)" checked={draft.tombstone} onChange={tombstone => set({ tombstone })} />
        </div>
        {!draft.tombstone && (
          <>
            <Suspense fallback={<div className={css['waiting']} />}>
              <Editor
                label="Value"
                value={draft.value.text}
                onChange={text => setDraft(now => ({ ...now, value: { ...now.value, text } }))}
              />
            </Suspense>
            <FormChoice label="Value is" part={draft.value} onChange={value => set({ value })} />
          </>
        )}
      </div>
      <Headers headers={draft.headers} onChange={headers => set({ headers })} />
      {stored !== null && (
        <p role="status" className={css['stored']}>
          {stored}
        </p>
      )}
    </DialogForm>
  )
}

function FormChoice({ label, part, onChange }: { label: string; part: Part; onChange: (part: Part) => void }) {
  const { form, schema } = part
  const isKept = schema !== null && schema.id !== null
  return (
    <Field label={label} {...(isKept ? { hint: `With schema ${schema.id}, as before.` } : {})}>
      {id => (
        <Select id={id} value={form} onChange={event => onChange({ ...part, form: event.target.value as Form, schema: null })}>
          {Object.entries(forms).map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </Select>
      )}
    </Field>
  )
}

function Headers({ headers, onChange }: { headers: Draft['headers']; onChange: (headers: Draft['headers']) => void }) {
  const change = (at: number, part: Partial<Draft['headers'][number]>) =>
    onChange(headers.map((each, index) => (index === at ? { ...each, ...part } : each)))
  return (
    <div className={css['headers']}>
      {headers.map((header, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two headers may have one name
        <div key={at} className={css['header']}>
          <Input aria-label="Header" placeholder="header" value={header.key} onChange={event => change(at, { key: event.target.value })} />
          <Input
            aria-label="Value of the header"
            placeholder={header.value.form === 'base64' ? 'base64' : 'value'}
            value={header.value.text}
            onChange={event => change(at, { value: { ...header.value, text: event.target.value } })}
          />
          <Button kind="quiet" aria-label="Remove this header" onClick={() => onChange(headers.filter((_, index) => index !== at))}>
            ✕
          </Button>
        </div>
      ))}
      <Button small onClick={() => onChange([...headers, { key: '', value: blankPart }])}>
        Add a header
      </Button>
    </div>
  )
}
