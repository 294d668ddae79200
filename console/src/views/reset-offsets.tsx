/** The button that sets the offsets of a group anew, after a preview. */
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, type Input as InputOf, type Output } from '../api.ts'
import { count } from '../format.ts'
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
  const [preview, setPreview] = useState<Changes | null>(null)
  const queries = useQueryClient()
  const send = async (dryRun: boolean) => {
    const body = { topic, to: targetOf(kind, value), dryRun }
    const { changes } = await call('POST /groups/:group/offsets', { params: { group }, body })
    if (dryRun) return setPreview(changes)
    await queries.invalidateQueries({ queryKey: ['GET /groups/:group'] })
    close()
  }
  const changed = (set: () => void) => {
    set()
    setPreview(null)
  }
  return (
    <DialogForm
      onSubmit={() => send(preview === null)}
      action={preview === null ? 'Preview' : 'Reset'}
      bad={preview !== null}
      disabled={topic === ''}
    >
      <Field label="Topic">
        {id => (
          <Input id={id} value={topic} list={`${id}-topics`} onChange={event => changed(() => setTopic(event.target.value))} required />
        )}
      </Field>
      <Field label="To">
        {id => (
          <Select id={id} value={kind} onChange={event => changed(() => setKind(event.target.value as Target['kind']))}>
            <option value="earliest">the start of each partition</option>
            <option value="latest">the end of each partition</option>
            <option value="time">the first record at or after a time</option>
            <option value="offset">one offset</option>
            <option value="group">the offsets of another group</option>
          </Select>
        )}
      </Field>
      {kind === 'time' && (
        <Field label="Time">
          {id => (
            <Input
              id={id}
              type="datetime-local"
              step={1}
              value={value}
              onChange={event => changed(() => setValue(event.target.value))}
              required
            />
          )}
        </Field>
      )}
      {kind === 'offset' && (
        <Field label="Offset">
          {id => (
            <Input
              id={id}
              inputMode="numeric"
              pattern="\d{1,19}"
              value={value}
              onChange={event => changed(() => setValue(event.target.value))}
              required
            />
          )}
        </Field>
      )}
      {kind === 'group' && (
        <Field label="Group">
          {id => <Input id={id} value={value} onChange={event => changed(() => setValue(event.target.value))} required />}
        </Field>
      )}
      {preview !== null && <Preview changes={preview} />}
    </DialogForm>
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

function Preview({ changes }: { changes: Changes }) {
  return (
    <div className={css['preview']}>
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
