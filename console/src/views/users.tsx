/** Users that log in with SCRAM. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { asked, call } from '../api.ts'
import { useRights } from '../rights.ts'
import { Button, Field, Input, Select } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import { Bar, Content } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'

export function Users() {
  const found = useQuery(asked('GET /security/users', {}))
  const queries = useQueryClient()
  const may = useRights({})
  const refresh = () => queries.invalidateQueries({ queryKey: ['GET /security/users'] })
  const remove = async (user: string) => {
    await call('DELETE /security/users/:user', { params: { user }, query: { confirm: user } })
    await refresh()
  }
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} needs="DESCRIBE on the cluster" />
  return (
    <>
      <Bar>{may('cluster', 'ALTER') && <SetPassword done={refresh} />}</Bar>
      <Content>
        {found.data.users.length === 0 ? (
          <Empty title="There are no SCRAM users">
            <Command text="millrace user create alice" />
          </Empty>
        ) : (
          <Table
            label="Users"
            heads={['User', 'Credentials', 'Delete']}
            rows={found.data.users.map(({ user, credentials }) => [
              user,
              credentials.map(each => `${each.mechanism} (${each.iterations} iterations)`).join(', '),
              <ConfirmByName
                key="delete"
                title={`Delete ${user}`}
                name={user}
                action="Delete the user"
                trigger={
                  <Button small disabled={!may('cluster', 'ALTER')}>
                    Delete…
                  </Button>
                }
                onConfirm={() => remove(user)}
              >
                {user} can no longer log in with SCRAM. ACLs and quotas of User:{user} stay.
              </ConfirmByName>,
            ])}
          />
        )}
      </Content>
    </>
  )
}

function SetPassword({ done }: { done: () => Promise<void> }) {
  const [open, setOpen] = useState(false)
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const [mechanism, setMechanism] = useState<'SCRAM-SHA-256' | 'SCRAM-SHA-512'>('SCRAM-SHA-512')
  const save = async () => {
    await call('POST /security/users', { body: { user, password, mechanism } })
    setPassword('')
    await done()
    setOpen(false)
  }
  return (
    <Dialog title="Add a user, or change a password" trigger={<Button>Add user</Button>} open={open} onOpenChange={setOpen}>
      <DialogForm onSubmit={save} action="Save" disabled={user === '' || password === ''}>
        <Field label="User">{id => <Input id={id} value={user} onChange={event => setUser(event.target.value)} autoFocus />}</Field>
        <Field label="Password">
          {id => (
            <Input
              id={id}
              type="password"
              autoComplete="new-password"
              value={password}
              onChange={event => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Field label="Mechanism">
          {id => (
            <Select id={id} value={mechanism} onChange={event => setMechanism(event.target.value as typeof mechanism)}>
              <option>SCRAM-SHA-512</option>
              <option>SCRAM-SHA-256</option>
            </Select>
          )}
        </Field>
      </DialogForm>
    </Dialog>
  )
}
