package dev.grft.spark.rounds;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Limits what a connection may do before it has shown the token: how much it sends, how long it takes, and how many of them there are. Spark's
 * transport itself waits for messages of up to 2 GiB.
 */
final class Door extends ChannelInboundHandlerAdapter {
    static final int MOST_BYTES = 64 << 10;
    static final int MOST_STRANGERS = 1024;

    private static final Logger LOG = LoggerFactory.getLogger(Door.class);

    private final AtomicInteger strangers;
    private final long millis;
    private int bytes;
    private boolean counted;

    /**
     * Returns the door of one connection.
     *
     * @param strangers how many connections have not shown the token
     * @param millis how long it may take
     */
    Door(AtomicInteger strangers, long millis) {
        this.strangers = strangers;
        this.millis = millis;
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    public void handlerAdded(ChannelHandlerContext context) {
        counted = true;
        if (strangers.incrementAndGet() > MOST_STRANGERS) {
            refuse(context, "there are " + MOST_STRANGERS + " others without the token");
        }
        context.executor()
                .schedule(
                        () -> {
                            if (counted) {
                                refuse(context, "it has not shown the token in " + millis + " ms");
                            }
                        },
                        millis,
                        TimeUnit.MILLISECONDS);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        leave();
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) throws Exception {
        leave();
        super.channelInactive(context);
    }

    private void leave() {
        if (counted) {
            counted = false;
            strangers.decrementAndGet();
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
        if (message instanceof ByteBuf some) {
            bytes += some.readableBytes();
            if (bytes > MOST_BYTES) {
                some.release();
                refuse(context, "it has sent " + bytes + " bytes without the token");
                return;
            }
        }
        super.channelRead(context, message);
    }

    @SuppressWarnings("FutureReturnValueIgnored") // nothing waits for it
    private static void refuse(ChannelHandlerContext context, String why) {
        LOG.warn("the connection from {} is closed: {}", context.channel().remoteAddress(), why);
        context.close();
    }
}
