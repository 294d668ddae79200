/** The button that creates a topic, and its form. */
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { call } from '../api.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { Dialog, DialogForm } from '../ui/dialog.tsx'

const policies = { delete: 'Delete old records', compact: 'Keep the newest of each key', 'compact,delete': 'Both' } as const

export function CreateTopic() {
  const [open, setOpen] = useState(false)
  const [name, setName] = useState('')
  const [partitions, setPartitions] = useState('')
  const [replicas, setReplicas] = useState('')
  const [policy, setPolicy] = useState('delete')
  const [retention, setRetention] = useState('')
  const queries = useQueryClient()
  const navigate = useNavigate()
  const create = async () => {
    const configs: Record<string, string> = {}
    if (policy !== 'delete') configs['cleanup.policy'] = policy
    if (retention !== '') configs['retention.ms'] = String(Math.round(Number(retention) * 3_600_000))
    const counts = {
      ...(partitions === '' ? {} : { partitions: Number(partitions) }),
      ...(replicas === '' ? {} : { replicas: Number(replicas) }),
    }
    await call('POST /topics', { body: { name, ...counts, configs } })
    await queries.invalidateQueries({ queryKey: ['GET /topics'] })
    setOpen(false)
    await navigate({ to: '/topics/$topic/messages', params: { topic: name } })
  }
  return (
    <Dialog title="Create a topic" trigger={<Button kind="main">Create topic</Button>} open={open} onOpenChange={setOpen}>
      <DialogForm onSubmit={create} action="Create" disabled={name === ''}>
        <Field label="Name" hint="Letters, digits, dots, underscores and hyphens.">
          {id => (
            <Input
              id={id}
              value={name}
              onChange={event => setName(event.target.value)}
              required
              maxLength={249}
              pattern="[a-zA-Z0-9._\-]+"
              autoFocus
            />
          )}
        </Field>
        <Field label="Partitions" hint="More partitions let more consumers of a group read at once. Empty: as the cluster has it.">
          {id => <Input id={id} type="number" min={1} value={partitions} onChange={event => setPartitions(event.target.value)} />}
        </Field>
        <Field label="Replicas" hint="Empty: as the cluster has it.">
          {id => <Input id={id} type="number" min={1} value={replicas} onChange={event => setReplicas(event.target.value)} />}
        </Field>
        <Field label="Cleanup">
          {id => (
            <Select id={id} value={policy} onChange={event => setPolicy(event.target.value)}>
              {Object.entries(policies).map(([value, title]) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {policy !== 'compact' && (
          <Field label="Retention in hours" hint="Empty: as the cluster has it.">
            {id => (
              <Input id={id} type="number" min={0.01} step="any" value={retention} onChange={event => setRetention(event.target.value)} />
            )}
          </Field>
        )}
      </DialogForm>
    </Dialog>
  )
}
