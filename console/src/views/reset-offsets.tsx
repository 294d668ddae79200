/** The button that sets the offsets of a group anew, after a preview. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ChangeEvent, useState } from 'react'
import { asked, call, type Input as InputOf, type Output } from '../api.ts'
import { count, counted } from '../format.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'
import css from './reset-offsets.module.css'

type Group = Output<'GET /groups/:group'>
type Target = InputOf<'POST /groups/:group/offsets'>['body']['to']
type Changes = Output<'POST /groups/:group/offsets'>['changes']

export function ResetOffsets({ group: { group, partitions, members } }: { group: Group }) {
  const [open, setOpen] = useState(false)
  const topics = [...new Set(partitions.map(each => each.topic))]
  return (
    <Dialog title={`Reset offsets of ${group}`} trigger={<Button>Reset offsets</Button>} open={open} onOpenChange={setOpen} wide>
      {members.length > 0 ? (
        <p className={css['refused']}>The group has members. Kafka changes offsets only of a group whose consumers are all stopped.</p>
      ) : (
        <Form group={group} topics={topics} close={() => setOpen(false)} />
      )}
    </Dialog>
  )
}

function Form({ group, topics, close }: { group: string; topics: readonly string[]; close: () => void }) {
  const [topic, setTopic] = useState(topics[0] ?? '')
  const [kind, setKind] = useState<Target['kind']>('earliest')
  const [value, setValue] = useState('')
  const [partitions, setPartitions] = useState('')
  const [preview, setPreview] = useState<Changes | null>(null)
  const queries = useQueryClient()
  const send = async (dryRun: boolean) => {
    const chosen = partitions === '' ? {} : { partitions: partitions.split(',').map(Number) }
    const body = { topic, ...chosen, to: targetOf(kind, value), dryRun }
    const { changes } = await call('POST /groups/:group/offsets', { params: { group }, body })
    if (dryRun) return setPreview(changes)
    await queries.invalidateQueries({ queryKey: ['GET /groups/:group'] })
    close()
  }
  const changed = (set: () => void) => {
    set()
    setPreview(null)
  }
  const choose = (next: Target['kind']) => {
    setKind(next)
    setValue('')
  }
  return (
    <DialogForm
      onSubmit={() => send(preview === null)}
      action={preview === null ? 'Preview' : 'Reset'}
      bad={preview !== null}
      disabled={topic === '' || preview?.length === 0}
    >
      <Field label="Topic">
        {id => (
          <>
            <Input id={id} value={topic} list={`${id}-names`} onChange={event => changed(() => setTopic(event.target.value))} required />
            <Names id={`${id}-names`} names={topics} />
          </>
        )}
      </Field>
      <Field label="Partitions" hint="Such as 0,3; empty: all of the topic.">
        {id => (
          <Input
            id={id}
            value={partitions}
            pattern="\d{1,9}(,\d{1,9})*"
            placeholder="all"
            onChange={event => changed(() => setPartitions(event.target.value))}
          />
        )}
      </Field>
      <Field label="To">
        {id => (
          <Select id={id} value={kind} onChange={event => changed(() => choose(event.target.value as Target['kind']))}>
            <option value="earliest">the start of each partition</option>
            <option value="latest">the end of each partition</option>
            <option value="time">the first record at or after a time</option>
            <option value="offset">one offset</option>
            <option value="group">the offsets of another group</option>
          </Select>
        )}
      </Field>
      <TargetValue kind={kind} value={value} onChange={text => changed(() => setValue(text))} />
      {preview !== null && <Preview changes={preview} />}
    </DialogForm>
  )
}

interface TargetProps {
  kind: Target['kind']
  value: string
  onChange: (value: string) => void
}

/** What some of the kinds need besides. */
function TargetValue({ kind, value, onChange }: TargetProps) {
  const names = useQuery({ ...asked('GET /names', { query: { search: value } }), enabled: kind === 'group' })
  const common = { value, required: true, onChange: (event: ChangeEvent<HTMLInputElement>) => onChange(event.target.value) }
  switch (kind) {
    case 'time':
      return <Field label="Time">{id => <Input id={id} type="datetime-local" step={1} {...common} />}</Field>
    case 'offset':
      return <Field label="Offset">{id => <Input id={id} inputMode="numeric" pattern="\d{1,19}" {...common} />}</Field>
    case 'group':
      return (
        <Field label="Group">
          {id => (
            <>
              <Input id={id} list={`${id}-names`} {...common} />
              <Names id={`${id}-names`} names={names.data?.groups ?? []} />
            </>
          )}
        </Field>
      )
    default:
      return null
  }
}

function Names({ id, names }: { id: string; names: readonly string[] }) {
  return (
    <datalist id={id}>
      {names.map(each => (
        <option key={each} value={each} />
      ))}
    </datalist>
  )
}

function targetOf(kind: Target['kind'], value: string): Target {
  switch (kind) {
    case 'time':
      return { kind, timestamp: String(new Date(value).getTime()) }
    case 'offset':
      return { kind, offset: value }
    case 'group':
      return { kind, group: value }
    default:
      return { kind }
  }
}

/** What it means for the group's consumers. */
function meaningOf(changes: Changes): string {
  let [again, skipped] = [0n, 0n]
  for (const { before, after } of changes) {
    const by = before === null ? 0n : BigInt(after) - BigInt(before)
    if (by > 0n) skipped += by
    else again -= by
  }
  const parts = [
    ...(again > 0n ? [`${counted(String(again), 'record')} will be read again`] : []),
    ...(skipped > 0n ? [`${counted(String(skipped), 'record')} will be skipped`] : []),
  ]
  return `Nothing has been changed yet. ${parts.length === 0 ? 'No committed offset would move.' : `${parts.join(', and ')}.`}`
}

function Preview({ changes }: { changes: Changes }) {
  if (changes.length === 0) return <p role="status">There is nothing to copy: that group has no offsets in this topic.</p>
  return (
    <div role="status" className={css['preview']}>
      <p>{meaningOf(changes)}</p>
      <table>
        <thead>
          <tr>
            <th>Partition</th>
            <th>Now</th>
            <th>Then</th>
            <th>Lag then</th>
          </tr>
        </thead>
        <tbody>
          {changes.map(({ partition, before, after, end }) => (
            <tr key={partition}>
              <td>{partition}</td>
              <td>{before === null ? 'none' : count(before)}</td>
              <td>{count(after)}</td>
              <td>{count(BigInt(end) - BigInt(after))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
