import { Type } from '@sinclair/typebox'
import { pushKind } from '../../../engine/push.js'
import { DateTime, Id, Nullable } from '../../../shared/schemas.js'

/** An appeal that waits for a decision, to merchants. */
export const NewAppeal = pushKind(
  'new_appeal',
  Type.Object({
    appeal_id: Type.String(),
    upload_id: Type.String(),
    user_id: Id,
    amount: Nullable(Type.Number()),
    message: Type.String(),
    created_at: DateTime
  })
)
