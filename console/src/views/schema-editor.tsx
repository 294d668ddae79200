/** To write a schema: it is checked against the earlier versions, and saved only then. */
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { call, type Input as InputOf, type Output } from '../api.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { prettyJson } from '../ui/pretty-json.ts'
import css from './schemas.module.css'

const Editor = lazy(() => import('../ui/editor.tsx'))

type Draft = InputOf<'POST /schemas/:subject'>['body']
type Checked = Output<'POST /schemas/:subject/check'>

export const schemaTypes: Record<Draft['type'], string> = { AVRO: 'Avro', JSON: 'JSON Schema', PROTOBUF: 'Protobuf' }

const beginnings: Record<Draft['type'], string> = {
  AVRO: '{\n  "type": "record",\n  "name": "Order",\n  "fields": [\n    { "name": "id", "type": "long" }\n  ]\n}',
  JSON: '{\n  "type": "object",\n  "properties": {\n    "id": { "type": "integer" }\n  }\n}',
  PROTOBUF: 'syntax = "proto3";\n\nmessage Order {\n  int64 id = 1;\n}\n',
}

export function typeName(type: string): string {
  return type in schemaTypes ? schemaTypes[type as Draft['type']] : type
}

export function prettySchema({ type, schema }: { type: string; schema: string }): string {
  if (type === 'PROTOBUF') return schema
  try {
    JSON.parse(schema)
    return prettyJson(schema)
  } catch {
    return schema
  }
}

/** `subject`: as it is suggested. */
export function NewSubject({ subject = '' }: { subject?: string }) {
  const draft = { type: 'AVRO', schema: beginnings.AVRO } as const
  return <SchemaDialog subject={subject} isNew draft={draft} trigger={<Button kind="main">New schema</Button>} />
}

export function NewVersion({ subject, draft }: { subject: string; draft: Draft }) {
  return <SchemaDialog subject={subject} isNew={false} draft={draft} trigger={<Button kind="main">New version</Button>} />
}

interface SchemaProps {
  subject: string
  /** Its name and its type are to be chosen. */
  isNew: boolean
  draft: Draft
  trigger: ReactNode
}

function SchemaDialog({ trigger, ...rest }: SchemaProps) {
  const [open, setOpen] = useState(false)
  const title = rest.isNew ? 'New schema' : `New version of ${rest.subject}`
  return (
    <Dialog title={title} trigger={trigger} open={open} onOpenChange={setOpen} wide>
      <Form {...rest} close={() => setOpen(false)} />
    </Dialog>
  )
}

function Form({ subject: given, isNew, draft, close }: Omit<SchemaProps, 'trigger'> & { close: () => void }) {
  const [subject, setSubject] = useState(given)
  const [type, setType] = useState(draft.type)
  const [schema, setSchema] = useState(draft.schema)
  const [checked, setChecked] = useState<Checked | null>(null)
  const queries = useQueryClient()
  const navigate = useNavigate()
  const changed = (set: () => void) => {
    set()
    setChecked(null)
  }
  const body: Draft = { type, schema, ...(draft.references === undefined ? {} : { references: draft.references }) }
  const isGood = checked?.compatible === true
  const send = async () => {
    if (!isGood) return setChecked(await call('POST /schemas/:subject/check', { params: { subject }, body }))
    await call('POST /schemas/:subject', { params: { subject }, body })
    await queries.invalidateQueries()
    close()
    await navigate({ to: '/schemas/$subject', params: { subject } })
  }
  return (
    <DialogForm onSubmit={send} action={isGood ? 'Save' : 'Check'} disabled={subject === '' || schema.trim() === ''}>
      {isNew && (
        <div className={css['pair']}>
          <Field label="Subject" hint="orders-value: of the values of the topic orders.">
            {id => <Input id={id} value={subject} onChange={event => changed(() => setSubject(event.target.value))} autoFocus />}
          </Field>
          <Field label="Type">
            {id => (
              <Select
                id={id}
                value={type}
                onChange={event => {
                  const next = event.target.value as Draft['type']
                  changed(() => setType(next))
                  if (Object.values(beginnings).includes(schema)) setSchema(beginnings[next])
                }}
              >
                {Object.entries(schemaTypes).map(([value, name]) => (
                  <option key={value} value={value}>
                    {name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
      )}
      <Suspense fallback={<div className={css['waiting']} />}>
        <Editor key={isNew ? type : ''} label="Schema" value={schema} onChange={text => changed(() => setSchema(text))} />
      </Suspense>
      {checked !== null && (
        <div role="status" className={css[checked.compatible ? 'good' : 'bad']}>
          <strong>{checked.compatible ? 'It is compatible. Nothing has been saved yet.' : 'It cannot be saved:'}</strong>
          {checked.messages.map(each => (
            <p key={each}>{each}</p>
          ))}
        </div>
      )}
    </DialogForm>
  )
}
