/** Sends records of a dead-letter topic back to the topics that their headers name, after it has shown where each would go. */
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, type Output } from '../api.ts'
import { count, counted } from '../format.ts'
import { Button, Field, Input } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import { Table } from '../ui/table.tsx'
import type { ShownRecord } from './messages-stream.ts'

type Plan = Output<'POST /topics/:topic/redrive'>['records'][number]

const origin = /^(?:__(?:connect|streams|dlq)\.errors\.topic|kafka_dlt-original-topic|millrace\.trigger\.topic)$/
const most = 1_000

export function isDeadLetter({ headers }: ShownRecord): boolean {
  return headers.some(({ key }) => origin.test(key))
}

export function Redrive({ topic, records }: { topic: string; records: readonly ShownRecord[] }) {
  const [open, setOpen] = useState(false)
  const chosen = records.slice(0, most)
  const name = records.length === 1 ? 'Redrive…' : `Redrive ${count(chosen.length)}…`
  return (
    <Dialog
      title={`Redrive ${counted(chosen.length, 'record')} of ${topic}`}
      trigger={<Button small>{name}</Button>}
      open={open}
      onOpenChange={setOpen}
      wide
    >
      <Form topic={topic} records={chosen} />
    </Dialog>
  )
}

function Form({ topic, records }: { topic: string; records: readonly ShownRecord[] }) {
  const [to, setTo] = useState('')
  const [plans, setPlans] = useState<readonly Plan[] | null>(null)
  const [done, setDone] = useState(false)
  const queries = useQueryClient()
  const possible = plans?.filter(each => each.problem === null).length ?? 0
  const run = async () => {
    const dryRun = plans === null
    const places = records.map(({ partition, offset }) => ({ partition, offset }))
    const answer = await call('POST /topics/:topic/redrive', {
      params: { topic },
      body: { records: places, dryRun, ...(to === '' ? {} : { to }) },
    })
    setPlans(answer.records)
    setDone(!dryRun)
    if (!dryRun) await queries.invalidateQueries({ queryKey: ['GET /topics/:topic'] })
  }
  return (
    <DialogForm
      onSubmit={run}
      done={done}
      action={plans === null ? 'Show where they would go' : done ? 'Sent' : `Send ${counted(possible, 'record')}`}
      disabled={done || (plans !== null && possible === 0)}
    >
      <p>
        Each record is produced again, with its key, value and headers, to the topic and partition that its headers name. The headers about
        the error are left out. The record in {topic} stays.
      </p>
      <Field label="Another topic" hint="Empty: as the headers say.">
        {id => (
          <Input
            id={id}
            value={to}
            placeholder="as the headers say"
            onChange={event => {
              setTo(event.target.value)
              setPlans(null)
            }}
          />
        )}
      </Field>
      {plans !== null && (
        <>
          <p role="status">
            {done
              ? `${counted(plans.filter(each => each.toOffset !== null).length, 'record')} sent.`
              : `${counted(possible, 'record')} can be sent; nothing has been yet.`}
          </p>
          <Table
            label="Where they go"
            heads={['Record', 'To', 'Problem']}
            rows={plans.map(({ partition, offset, topic: target, toPartition, toOffset, problem }) => [
              `${partition}:${offset}`,
              target === null
                ? '–'
                : `${target}, ${toPartition === null ? 'by key' : `partition ${toPartition}`}${toOffset === null ? '' : `, offset ${toOffset}`}`,
              problem ?? '',
            ])}
          />
        </>
      )}
    </DialogForm>
  )
}
