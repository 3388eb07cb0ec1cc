import { Fault, guarded, say } from './lib/print.js'
import { readSettings } from './lib/settings.js'

/**
 * `npm run storage:bucket`: makes the bucket that the settings name, where it is missing. Who may read it is for the
 * service that keeps it: each has its own way.
 */
export async function main(): Promise<void> {
  await guarded(async () => {
    const { STORAGE, S3_ENDPOINT: endpoint, S3_BUCKET: bucket, ...rest } = readSettings()
    const { S3_ACCESS_KEY: accessKeyId, S3_SECRET_KEY: secretAccessKey, S3_REGION: region } = rest
    if (STORAGE !== 's3' || !endpoint || !bucket || !accessKeyId || !secretAccessKey) {
      throw new Fault('STORAGE=local has no bucket: set s3, with its endpoint, bucket and keys.')
    }
    const { CreateBucketCommand, HeadBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
    const credentials = { accessKeyId, secretAccessKey }
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
    try {
      await client.send(new HeadBucketCommand({ Bucket: bucket }))
      say(`the bucket ${bucket} is there`)
      return 0
    } catch (err) {
      if (!['NotFound', 'NoSuchBucket'].includes((err as Error).name)) throw unreachable(err, endpoint)
    }
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((err: unknown) => {
      // Another start was faster.
      if ((err as Error).name !== 'BucketAlreadyOwnedByYou') throw unreachable(err, endpoint)
    })
    say(`made the bucket ${bucket}`)
    return 0
  })
}

const unreachable = (err: unknown, endpoint: string) =>
  new Fault(`The storage at ${endpoint} does not serve us: ${(err as Error).message || (err as Error).name}`)
