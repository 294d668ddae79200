/** Delegation tokens. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { asked, call, type Output } from '../api.ts'
import { time } from '../format.ts'
import { Button, Field, Input } from '../ui/button.tsx'
import { ConfirmByName, Dialog, DialogForm } from '../ui/dialog.tsx'
import { Bar, Content } from '../ui/page.tsx'
import { Empty, Failed, Loading } from '../ui/states.tsx'
import { Table } from '../ui/table.tsx'
import { wordsIn } from '../words.ts'
import css from './security.module.css'

export function Tokens() {
  const found = useQuery(asked('GET /security/tokens', {}))
  const queries = useQueryClient()
  const refresh = () => queries.invalidateQueries({ queryKey: ['GET /security/tokens'] })
  const expire = async (tokenId: string) => {
    await call('DELETE /security/tokens/:tokenId', { params: { tokenId }, query: { confirm: tokenId } })
    await refresh()
  }
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} />
  return (
    <>
      <Bar>
        <CreateToken done={refresh} />
      </Bar>
      <Content>
        {found.data.tokens.length === 0 ? (
          <Empty title="There are no delegation tokens that you may see">
            <p>A token lets programs log in as a user without the user's password, for a limited time.</p>
          </Empty>
        ) : (
          <Table
            label="Tokens"
            heads={['Token', 'Owner', 'Made by', 'Renewers', 'Expires', 'At the latest', 'End']}
            rows={found.data.tokens.map(({ tokenId, owner, requester, renewers, expires, latest }) => [
              <code key="id">{tokenId}</code>,
              owner,
              requester,
              renewers.join(', ') || '–',
              time(expires),
              time(latest),
              <ConfirmByName
                key="end"
                title="End this token"
                name={tokenId}
                action="End the token"
                trigger={<Button small>End…</Button>}
                onConfirm={() => expire(tokenId)}
              >
                Whoever uses it can no longer log in.
              </ConfirmByName>,
            ])}
          />
        )}
      </Content>
    </>
  )
}

function CreateToken({ done }: { done: () => Promise<void> }) {
  const [open, setOpen] = useState(false)
  const [owner, setOwner] = useState('')
  const [renewers, setRenewers] = useState('')
  const [made, setMade] = useState<Output<'POST /security/tokens'> | null>(null)
  const create = async () => {
    setMade(await call('POST /security/tokens', { body: { renewers: wordsIn(renewers), ...(owner === '' ? {} : { owner }) } }))
    await done()
  }
  const opens = (now: boolean) => {
    setOpen(now)
    setMade(null)
  }
  return (
    <Dialog title="Create a token" trigger={<Button>Create token</Button>} open={open} onOpenChange={opens} wide={made !== null}>
      <DialogForm onSubmit={create} action="Create" disabled={made !== null}>
        <Field label="Owner" hint="Such as User:alice; empty: you.">
          {id => <Input id={id} value={owner} onChange={event => setOwner(event.target.value)} autoFocus />}
        </Field>
        <Field label="Renewers" hint="Who may renew it besides, separated by commas.">
          {id => <Input id={id} value={renewers} onChange={event => setRenewers(event.target.value)} />}
        </Field>
        {made !== null && (
          <div role="status" className={css['secret']}>
            <p>The token was made. Its secret is shown only now:</p>
            <p>
              user name <code>{made.tokenId}</code>
            </p>
            <p>
              password <code>{made.hmac}</code>
            </p>
          </div>
        )}
      </DialogForm>
    </Dialog>
  )
}
