/** The button that produces a record, and its form. */
import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { call } from '../api.ts'
import { Button, Check, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import css from './produce.module.css'

const Editor = lazy(() => import('../ui/editor.tsx'))

interface Draft {
  key: string
  value: string
  tombstone: boolean
  partition: string
  headers: { key: string; value: string }[]
}

const blank: Draft = { key: '', value: '', tombstone: false, partition: '', headers: [] }

interface ProduceProps {
  topic: string
  partitions: number
}

export function Produce({ topic, partitions }: ProduceProps) {
  const [open, setOpen] = useState(false)
  const [draft, setDraft] = useState(blank)
  const [stored, setStored] = useState<string | null>(null)
  const queries = useQueryClient()
  const set = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes })
  const produce = async () => {
    const { key, value, tombstone, partition, headers } = draft
    const body = {
      key: key === '' ? null : { text: key },
      value: tombstone ? null : { text: value },
      headers: headers.filter(each => each.key !== '').map(each => ({ key: each.key, value: { text: each.value } })),
      ...(partition === '' ? {} : { partition: Number(partition) }),
    }
    const placed = await call('POST /topics/:topic/messages', { params: { topic }, body })
    setStored(`Stored in partition ${placed.partition} at offset ${placed.offset}.`)
    await queries.invalidateQueries({ queryKey: ['GET /topics/:topic', { params: { topic } }] })
  }
  const opens = (now: boolean) => {
    setOpen(now)
    setStored(null)
  }
  return (
    <Dialog title={`Produce to ${topic}`} trigger={<Button>Produce</Button>} open={open} onOpenChange={opens} wide>
      <DialogForm onSubmit={produce} action="Produce">
        <div className={css['pair']}>
          <Field label="Key">
            {id => <Input id={id} value={draft.key} placeholder="none" onChange={event => set({ key: event.target.value })} />}
          </Field>
          <Field label="Partition">
            {id => (
              <Select id={id} value={draft.partition} onChange={event => set({ partition: event.target.value })}>
                <option value="">by key</option>
                {Array.from({ length: partitions }, (_, partition) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: partitions are numbers
                  <option key={partition}>{partition}</option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <div className={css['value']}>
          <div className={css['head']}>
            <strong>Value</strong>
            <Check label="None (a tombstone)" checked={draft.tombstone} onChange={tombstone => set({ tombstone })} />
          </div>
          {!draft.tombstone && (
            <Suspense fallback={<div className={css['waiting']} />}>
              <Editor label="Value" value={draft.value} onChange={value => set({ value })} />
            </Suspense>
          )}
        </div>
        <Headers headers={draft.headers} onChange={headers => set({ headers })} />
        {stored !== null && (
          <p role="status" className={css['stored']}>
            {stored}
          </p>
        )}
      </DialogForm>
    </Dialog>
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
            placeholder="value"
            value={header.value}
            onChange={event => change(at, { value: event.target.value })}
          />
          <Button kind="quiet" aria-label="Remove this header" onClick={() => onChange(headers.filter((_, index) => index !== at))}>
            ✕
          </Button>
        </div>
      ))}
      <Button small onClick={() => onChange([...headers, { key: '', value: '' }])}>
        Add a header
      </Button>
    </div>
  )
}
